"""The observation task: victim, observers and distances to shards of features."""

from __future__ import annotations

import itertools
import json
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import Distance, Observer, Pair, Samples, Unsupported
from leakboard.artifacts import ArtifactRow, Artifacts
from leakboard.components import Bound, at
from leakboard.keys import content_key
from leakboard.limits import TimedOut, fault, time_limit
from leakboard.oracle import Answers, Door, defended
from leakboard.registry import Registry
from leakboard.tasks import Answer, ObserveTask, Outcome, Wanted

if TYPE_CHECKING:
    import torch

PREVIEW_BYTES = 1 << 20


@dataclass
class Columns:
    """The features that one distance has made so far of one observer's pairs."""

    wanted: Wanted
    distance: Distance
    labels: list[str]
    values: list[torch.Tensor]
    failure: Answer | None = None


def observe(task: ObserveTask, registry: Registry, samples: Samples, answers: Answers) -> Outcome:
    """Run every wanted observer and distance for one shard; a component that fails takes only its own features along."""
    start, paid_before = time.perf_counter(), answers.paid.evaluations
    artifacts = Artifacts(Path(task.settings.artifacts))
    found: list[Answer] = []
    previews: list[ArtifactRow] = []
    for (seed, spec), group in itertools.groupby(task.wanted, lambda wanted: (wanted.seed, wanted.defense)):
        of_defense = list(group)
        defense = registry.one("defense", spec)
        try:
            images = seen_by_victim(samples, defense, seed)
        except Exception as error:
            found += [Answer(wanted.key, *fault(error)) for wanted in of_defense]
            continue
        returned: torch.Tensor | None = None
        for observer_spec, of_observer in itertools.groupby(of_defense, lambda wanted: wanted.observer):
            observer = registry.one("observer", observer_spec).only
            door = Door(answers, samples, images, observer.access, seed, at(defense.chain, "output"))
            columns = [Columns(w, registry.one("distance", w.distance).only, [], []) for w in of_observer]
            found += _run(observer, door, defense, columns, task, artifacts)
            returned = door.returned if returned is None else returned
        if task.start == 0:
            previews.append(_preview(task, artifacts, samples, defense, seed, images, returned))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    paid = (answers.paid.evaluations - paid_before) * len(samples.ids)
    return Outcome(tuple(found), time.perf_counter() - start, paid, peak, answers.batch_size, tuple(previews))


def seen_by_victim(samples: Samples, defense: Bound, seed: int) -> torch.Tensor:
    """The images after the query defenses of a chain."""
    images = samples.images
    for link, part in enumerate(at(defense.chain, "query")):
        images = defended(part, images, samples, seed, f"query{link}")
    return images


def _run(
    observer: Observer, door: Door, defense: Bound, columns: list[Columns], task: ObserveTask, artifacts: Artifacts
) -> list[Answer]:
    """One observer under one defense: its pairs through every distance that wants them."""
    start = time.perf_counter()
    try:
        with time_limit(task.settings.timeout):
            for pair in observer.observe(door):
                _check(pair, door)
                smoothed = _smooth(pair, defense, door)
                for column in columns:
                    if column.failure is None:
                        _measure(column, smoothed)
        if not any(column.labels or column.failure for column in columns):
            raise ValueError("the observer yielded no pair")
    except (Exception, TimedOut) as error:
        return [column.failure or Answer(column.wanted.key, *fault(error)) for column in columns]
    own = time.perf_counter() - start
    return [column.failure or _store(column, door, task, artifacts, own) for column in columns]


def _check(pair: Pair, door: Door) -> None:
    count = len(door.samples.ids)
    if pair.reference.shape != pair.observation.shape or len(pair.reference) != count:
        shapes = f"{tuple(pair.reference.shape)} and {tuple(pair.observation.shape)}"
        raise ValueError(f"pair {pair.label!r} has shapes {shapes}, expected two equal ones of {count} samples")


def _smooth(pair: Pair, defense: Bound, door: Door) -> Pair:
    """Apply the defenses that stand at both images right before the distance."""
    links = at(defense.chain, "both")
    if not links:
        return pair
    if pair.space != "image":
        raise Unsupported(f"{defense.label} acts on images, the pair is {pair.space}")
    reference, observation = pair.reference, pair.observation
    for link, part in enumerate(links):
        reference = defended(part, reference, door.samples, door.seed, f"reference{link}")
        observation = defended(part, observation, door.samples, door.seed, f"observation{link}")
    return Pair(reference, observation, pair.label, pair.space)


def _measure(column: Columns, pair: Pair) -> None:
    import torch

    try:
        if pair.space not in column.distance.spaces:
            raise Unsupported(f"{column.distance.name} does not measure pairs of {pair.space}")
        values = column.distance.measure(pair).detach().to("cpu", torch.float64)
        if values.shape != (len(pair.reference),):
            raise ValueError(
                f"{column.distance.name} returned shape {tuple(values.shape)}, expected ({len(pair.reference)},)"
            )
        if not bool(values.isfinite().all()):
            bad = int((~values.isfinite()).sum())
            raise ValueError(f"{column.distance.name} returned {bad} of {len(values)} values that are not finite")
    except Exception as error:
        column.failure = Answer(column.wanted.key, *fault(error))
        return
    column.labels.append(pair.label)
    column.values.append(values)


def _store(column: Columns, door: Door, task: ObserveTask, artifacts: Artifacts, own: float) -> Answer:
    wanted, cost = column.wanted, door.asked
    meta = {
        "columns": json.dumps(column.labels),
        "ids": json.dumps(door.samples.ids),
        "larger_is_closer": json.dumps(column.distance.larger_is_closer),
        "dataset": task.dataset,
        "victim": task.victim,
        "defense": wanted.defense,
        "observer": wanted.observer,
        "distance": wanted.distance,
        "seed": str(wanted.seed),
        "queries": str(cost.queries),
        "nfe": str(cost.evaluations),
        "seconds": repr(max(cost.seconds, own)),
    }
    values = np.stack([value.numpy() for value in column.values], axis=1)
    row = artifacts.put(wanted.key, {"values": values}, meta, "features")
    return Answer(
        wanted.key, "done", seconds=own, queries=cost.queries, nfe=cost.evaluations, stored=(row,)
    )


def preview_key(dataset: str, victim: str, defense: str, seed: int) -> str:
    """Content key of the pictures shown for one victim behind one defense, from component identities."""
    return content_key("preview", dataset, victim, defense, seed)


def _preview(
    task: ObserveTask,
    artifacts: Artifacts,
    samples: Samples,
    defense: Bound,
    seed: int,
    images: torch.Tensor,
    returned: torch.Tensor | None,
) -> ArtifactRow:
    """Keep the first images as the attacker has them, as the victim sees them and as it returned them."""
    size = int(samples.images[0].numel())
    count = min(len(samples.ids), max(8, min(64, PREVIEW_BYTES // size)))
    shown = {"original": samples.images, "seen": images} | ({} if returned is None else {"returned": returned})
    tensors = {name: (part[:count].cpu() * 255).round().byte().numpy() for name, part in shown.items()}
    tensors["member"] = samples.member[:count].astype(np.uint8)
    meta = {
        "ids": json.dumps(samples.ids[:count]),
        "dataset": task.dataset,
        "victim": task.victim,
        "defense": defense.spec,
        "seed": str(seed),
    }
    key = preview_key(task.dataset_identity, task.victim_identity, defense.identity, seed)
    return artifacts.put(key, tensors, meta, "preview")
