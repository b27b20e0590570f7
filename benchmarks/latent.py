"""A latent victim: what Leakboard costs beside plain diffusers, what batching gains, and what decoding takes.

Claim: reconstructing images and handing them out decoded takes at most 1.05 x the plain image-to-image pipeline of
diffusers for the same images, steps and seeds. Also told: batch 1 against 64, and the share of decoding when only the
output is read and when every intermediate is.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import common
import torch

from leakboard.noise import seeder
from leakboard.oracle.door import Door
from leakboard.oracle.fitting import Fitting
from leakboard.oracle.memo import Memo
from leakboard.registry.find import shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakboard.api import Model, Oracle, Samples

IMAGES, STEPS, STRENGTH, BATCH, ROUNDS = 128, 10, 0.2, 64, 5


def plain(samples: Samples, images: torch.Tensor, folder: str) -> Callable[[], torch.Tensor]:
    """What a user of diffusers writes: the pipeline in batches, one generator an image."""
    from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline

    pipeline = StableDiffusionImg2ImgPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    seeds = seeder(0, samples.ids)("reconstruct", 0)

    def run() -> torch.Tensor:
        made = []
        for start in range(0, IMAGES, BATCH):
            rows = slice(start, start + BATCH)
            made.append(
                pipeline(
                    prompt=list((samples.prompts or ())[rows]),
                    image=images[rows],
                    strength=STRENGTH,
                    num_inference_steps=round(STEPS / STRENGTH),
                    guidance_scale=1.0,
                    generator=[torch.Generator().manual_seed(seed % 2**63) for seed in seeds[rows]],
                    output_type="pt",
                ).images
            )
        return torch.cat(made)

    return run


def door(samples: Samples, batch: int) -> Door:
    """An oracle that has not been asked anything yet."""
    victim = shared().one("victim", "fashion_sd").only
    model = MODELS.setdefault("fashion_sd", victim.open("cpu"))
    fitting = Fitting(samples.image_shape, model.image_shape, victim.fit)
    answers = Memo(model, batch, victim.evaluations_per_step, fitting)
    return Door(answers, samples, 0, "gray", default_prompts=victim.prompts_for(samples))


MODELS: dict[str, Model] = {}


def main() -> None:
    """Measure in turns, so that whatever else the machine does falls on all alike; print ratios of medians."""
    registry = shared()
    victim = registry.one("victim", "fashion_sd").only
    samples = registry.one("dataset", "fashion_mnist").only.load().take(range(IMAGES))
    fitting = Fitting(samples.image_shape, victim.open("cpu").image_shape, victim.fit)
    bare = plain(samples, fitting.to_victim(samples.images), str(victim.folder))

    def output(batch: int = BATCH) -> torch.Tensor:
        oracle: Oracle = door(samples, batch)
        return oracle.reconstruct(samples.images, STRENGTH, STEPS).output()

    def intermediates() -> list[torch.Tensor]:
        oracle: Oracle = door(samples, BATCH)
        return list(oracle.reconstruct(samples.images, STRENGTH, STEPS).intermediates())

    def undecoded() -> None:
        door(samples, BATCH).reconstruct(samples.images, STRENGTH, STEPS)

    apart = float((fitting.from_victim(bare()) - output()).abs().max())
    runs: dict[str, Callable[[], object]] = {
        "bare": bare,
        "output": output,
        "undecoded": undecoded,
        "intermediates": intermediates,
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            seconds[name].append(common.timed(run))
    middle = {name: statistics.median(found) for name, found in seconds.items()}
    one = common.timed(lambda: output(1))
    print(f"{IMAGES} images, {STEPS} steps, batches of {BATCH}; largest difference to plain diffusers {apart:.1e}")
    ratio = middle["output"] / middle["bare"]
    print(f"plain diffusers {middle['bare']:.2f} s, Leakboard {middle['output']:.2f} s: {ratio:.3f} x")
    print(f"batch 1 {one:.2f} s, batch {BATCH} {middle['output']:.2f} s: {one / middle['output']:.1f} x")
    for name in ("output", "intermediates"):
        print(f"decoding, {name}: {1 - middle['undecoded'] / middle[name]:.0%} of {middle[name]:.2f} s")


if __name__ == "__main__":
    main()
