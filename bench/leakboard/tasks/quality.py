"""How good a victim is: its loss on members and on held-out images, and how near what it generates comes to those.

Manifests tell it of victims as they were trained. Of a victim that was changed on opening nobody has told it, and a
defense that destroys the model is no defense; so it is measured before the victim is attacked.
"""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from leakboard.asking import Cost
from leakboard.errors import Unsupported
from leakboard.keys import quality_key
from leakboard.noise import normal, seeder
from leakboard.oracle.memo import Memo
from leakboard.oracle.quality_gate import predicts_noise, predicts_velocity
from leakboard.oracle.questions import rows_of
from leakboard.store.artifacts import Artifacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from leakboard.api import Model, Samples, Victim
    from leakboard.oracle.fitting import Fitting
    from leakboard.store.artifacts import ArtifactRow
    from leakboard.tasks.task import ObserveTask

STRATA = 8
"""Equal parts of the noise schedule, or of the times of a flow, in the middle of each of which the loss is taken."""
STEPS = 25
"""Sampler steps of each generated image."""
REFERENCES = 1024
"""Held-out images at most that generated ones are compared with."""
RULE = (
    "loss: mean squared error of predicted noise or velocity, without guidance, in the middle of 8 equal parts of the "
    f"schedule, the same noise for all victims; kernel distance: squared MMD of images generated in {STEPS} steps to "
    "held-out ones on fixed edge and pixel features, cubic kernel, lower is better"
)


class Measured(NamedTuple):
    """What was measured of a victim.

    Attributes:
        stored: the files that hold it.
        evaluations: of the denoiser, over all images.
        seconds: that it took.
    """

    stored: tuple[ArtifactRow, ...] = ()
    evaluations: float = 0.0
    seconds: float = 0.0


def key_of(task: ObserveTask) -> str:
    """Where the quality of the task's victim is kept."""
    return quality_key(task.victim_identity, task.dataset_identity, task.quality, task.sides)


def price(task: ObserveTask, victim: Victim) -> float:
    """Denoiser evaluations that `measured` pays where the dataset has as many images as are wanted."""
    return task.quality * (2 * STRATA + STEPS * victim.evaluations_per_step)


def measured(
    task: ObserveTask,
    victim: Victim,
    model: Model,
    fitting: Fitting,
    samples: Samples,
    chosen: Sequence[int],
    device: torch.device | None = None,
) -> Measured:
    """Measure a victim on the first ``task.quality`` members and held-out images in use, and generate as many.

    What was measured before is not measured again.

    Args:
        task: whose victim it is.
        victim: the plugin.
        model: the same, opened.
        fitting: how images are made to fit it.
        samples: all of the dataset.
        chosen: rows of those in use.
        device: where the model computes, if that is not the CPU.
    """
    artifacts, key = Artifacts.at(task.settings.artifacts), key_of(task)
    if artifacts.whole(key):
        # told again, for a run that was killed may have left it unrecorded
        return Measured((artifacts.row(key, "quality"),))
    start = time.perf_counter()
    ids = [samples.ids[row] for row in chosen]
    known = victim.members(ids)
    member = samples.member[list(chosen)] if known is None else known
    inside, outside = (
        [row for row, flag in zip(chosen, member, strict=True) if flag == side] for side in (True, False)
    )
    memo = Memo(model, task.settings.batch, victim.evaluations_per_step, fitting, device)
    tensors, paid = {}, 0.0
    for name, rows in (("members", inside), ("held_out", outside)):
        some = samples.take(rows[: task.quality])
        losses = _losses(memo, fitting.to_victim(some.images), victim.prompts_for(some))
        if losses is not None:
            tensors[name] = losses
            paid += STRATA * len(losses)
    references = samples.take(outside[:REFERENCES])
    try:
        tensors["kernel_distance"] = _distance(task, victim, memo, references)
        paid += task.quality * STEPS * victim.evaluations_per_step
    except Unsupported:  # it generates nothing, or not without texts
        pass
    meta = {
        "dataset_identity": task.dataset_identity,
        "victim_identity": task.victim_identity,
        "generated": str(task.quality),
        "references": str(len(references.ids)),
        "sides": json.dumps(list(task.sides)),
        "rule": RULE,
    }
    if not tensors:
        return Measured()
    row = artifacts.put(key, tensors, meta, "quality")
    return Measured((row,), paid, time.perf_counter() - start)


def _losses(memo: Memo, images: torch.Tensor, prompts: tuple[str, ...] | None) -> np.ndarray | None:
    """Loss of each image (N,), the mean over the strata; None where the victim predicts neither noise nor velocity."""
    model = memo.model
    noisy = predicts_noise(model)
    if not (noisy or predicts_velocity(model)):
        return None
    clean = memo.batched(lambda _, part: model.encode(part), [images])
    total = np.zeros(len(images))
    for stratum in range(STRATA):
        # rows are numbered, so that members and held-out images, and all victims, meet the same noise
        noise = normal(0, "quality", stratum, [str(row) for row in range(len(clean))], clean)
        share = (stratum + 0.5) / STRATA
        if noisy:
            timestep = int(share * len(model.alphas_cumprod))
            level = model.alphas_cumprod[timestep].to(clean)
            state, target = level.sqrt() * clean + (1 - level).sqrt() * noise, noise
        else:
            timestep = 0
            state, target = (1 - share) * clean + share * noise, noise - clean

        def predict(start: int, part: torch.Tensor, timestep: int = timestep, share: float = share) -> torch.Tensor:
            texts = rows_of(prompts, start, part)
            return model.predict_noise(part, timestep, texts) if noisy else model.predict_velocity(part, share, texts)

        missed = memo.batched(predict, [state], Cost(1, 1)) - target
        total += missed.square().flatten(1).mean(1).double().cpu().numpy() / STRATA
    return total


def _distance(task: ObserveTask, victim: Victim, memo: Memo, references: Samples) -> np.ndarray:
    """The kernel distance to held-out images and its standard error, both at most nan for want of images.

    Raises:
        Unsupported: the victim generates nothing.
    """
    import torch

    from leakboard.training.quality import kernel_distance, kernel_distance_error

    count, model = task.quality, memo.model
    texts = victim.prompts_for(references)
    prompts = None if texts is None else tuple(np.resize(np.array(texts, object), count).tolist())
    seeds = seeder(0, [str(number) for number in range(count)])("quality generated", 0)

    def make(start: int, part: torch.Tensor) -> torch.Tensor:
        made = model.generate(seeds[start : start + len(part)], STEPS, rows_of(prompts, start, part))
        return memo.fitting.from_victim(model.decode(made).float())

    images = memo.batched(make, [torch.empty(count, 1)], Cost(1, STEPS * memo.evaluations_per_step))
    if min(len(images), len(references.ids)) < 3:
        return np.array([math.nan, math.nan])
    compared = images.cpu(), references.images
    return np.array([kernel_distance(*compared), kernel_distance_error(*compared)])
