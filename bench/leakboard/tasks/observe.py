"""The observation task: victim, observers and distances to shards of features."""

from __future__ import annotations

import itertools
import json
import resource
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import Pair, Unsupported
from leakboard.faults import FAULTS, Allowance, fault
from leakboard.oracle.door import Door, defended
from leakboard.registry.bind import at
from leakboard.store.artifacts import Artifacts
from leakboard.tasks.contact_sheet import keep_preview
from leakboard.tasks.task import PartOutcome, TaskOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from leakboard.api import Distance, Observer, Samples
    from leakboard.oracle.door import Returned
    from leakboard.oracle.memo import Memo
    from leakboard.registry.bind import Bound
    from leakboard.registry.find import Registry
    from leakboard.store.artifacts import ArtifactRow
    from leakboard.tasks.task import ObserveTask, Wanted

MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10
"""In the unit in which the system tells the peak memory of a process."""


@dataclass
class Column:
    """The features that one distance has made so far of one observer's pairs."""

    wanted: Wanted
    distance: Distance
    allowance: Allowance
    labels: list[str] = field(default_factory=list)
    values: list[torch.Tensor] = field(default_factory=list)
    failure: PartOutcome | None = None


def observe(
    task: ObserveTask, registry: Registry, samples: Samples, answers: Memo, told: tuple[str, ...] | None
) -> TaskOutcome:
    """Run every wanted observer and distance for one shard; one that fails takes only its own features along.

    ``told`` is what the victim is told with each sample.
    """
    start = time.perf_counter()
    artifacts = Artifacts(Path(task.settings.artifacts))
    found: list[PartOutcome] = []
    previews: list[ArtifactRow] = []
    for (seed, spec), group in itertools.groupby(task.wanted, lambda wanted: (wanted.seed, wanted.defense)):
        of_defense = list(group)
        defense = registry.one("defense", spec)
        try:
            with Allowance(task.settings.timeout):
                images = seen_by_victim(samples, defense, seed)
        except FAULTS as error:
            found += [PartOutcome(wanted.key, *fault(error)) for wanted in of_defense]
            continue
        returned: Returned | None = None
        for observer_spec, of_observer in itertools.groupby(of_defense, lambda wanted: wanted.observer):
            observer = registry.one("observer", observer_spec).only
            door = Door(answers, samples, images, observer.access, seed, at(defense.chain, "output"), told)
            columns = [
                Column(wanted, registry.one("distance", wanted.distance).only, Allowance(task.settings.timeout))
                for wanted in of_observer
            ]
            seconds = _run(observer, door, defense, columns, Allowance(task.settings.timeout))
            made = [column.failure or _store(column, door, task, artifacts, seconds) for column in columns]
            found += made
            if returned is None and any(answer.status == "done" for answer in made):
                returned = door.returned
        if task.start == 0:
            previews += keep_preview(
                task, artifacts, samples, defense, seed=seed, seen=images, returned=returned, fit=answers.fitting.note
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
    paid = answers.paid.evaluations * len(samples.ids)
    return TaskOutcome(tuple(found), time.perf_counter() - start, paid, peak, answers.batch_size, tuple(previews))


def seen_by_victim(samples: Samples, defense: Bound, seed: int) -> torch.Tensor:
    """The images after the query defenses of a chain."""
    images = samples.images
    for link, part in enumerate(at(defense.chain, "query")):
        images = defended(part, images, samples, seed, f"query{link}")
    return images


def _run(observer: Observer, door: Door, defense: Bound, columns: list[Column], allowance: Allowance) -> float:
    """One observer under one defense: its pairs through every distance that wants them. Gives its seconds."""
    paid_before = door.memo.paid.seconds
    try:
        for pair in _pairs(observer, door, defense, allowance):
            for column in columns:
                if column.failure is None:
                    _measure(column, pair, door.memo)
            if all(column.failure for column in columns):
                break
        else:
            if not any(column.labels or column.failure for column in columns):
                raise ValueError("the observer yielded no pair")
    except FAULTS as error:
        for column in columns:
            column.failure = column.failure or PartOutcome(column.wanted.key, *fault(error))
    # What was paid for by an observer before this one belongs to the price of this one all the same.
    return allowance.spent - (door.memo.paid.seconds - paid_before) + door.asked.seconds


def _pairs(observer: Observer, door: Door, defense: Bound, allowance: Allowance) -> Iterator[Pair]:
    """The observer's pairs, checked, after the defenses that stand right before the distance."""
    links = at(defense.chain, "both")
    with allowance:
        answer = observer.observe(door)
        if not isinstance(answer, Iterable):
            raise TypeError(f"{observer.name} returned {answer!r:.80} from observe(), expected pairs")
        pairs = iter(answer)
    while True:
        with allowance:
            pair = next(pairs, None)
            if pair is None:
                return
            _check(pair, door)
            if links and pair.space != "image":
                raise Unsupported(f"{defense.label} acts on images, the pair is {pair.space}")
            for link, part in enumerate(links):
                place = f"{link} {pair.label}"
                reference = defended(part, pair.reference, door.samples, door.seed, f"reference{place}")
                observation = defended(part, pair.observation, door.samples, door.seed, f"observation{place}")
                pair = Pair(reference, observation, pair.label, pair.space)
        yield pair


def _check(pair: Pair, door: Door) -> None:
    count = len(door.samples.ids)
    if not (isinstance(pair, Pair) and isinstance(pair.label, str)):
        raise TypeError(f"the observer yielded {type(pair).__name__}, expected a Pair with a text as its label")
    if pair.reference.shape != pair.observation.shape or len(pair.reference) != count:
        shapes = f"{tuple(pair.reference.shape)} and {tuple(pair.observation.shape)}"
        raise ValueError(f"pair {pair.label!r} has shapes {shapes}, expected two equal ones of {count} samples")
    for name, part in (("reference", pair.reference), ("observation", pair.observation)):
        if not bool(part.isfinite().all()):
            raise ValueError(f"the {name} of pair {pair.label!r} holds values that are not finite")


def _measure(column: Column, pair: Pair, answers: Memo) -> None:
    import torch

    distance = column.distance
    try:
        if pair.space not in distance.spaces:
            raise Unsupported(f"{distance.name} does not measure pairs of {pair.space}")
        with column.allowance:
            values = _measured(distance, pair, answers).detach().to("cpu", torch.float64)
        _check_values(values, distance.name, len(pair.reference))
    except FAULTS as error:
        column.failure = PartOutcome(column.wanted.key, *fault(error))
        return
    column.labels.append(pair.label)
    column.values.append(values)


def _measured(distance: Distance, pair: Pair, answers: Memo) -> torch.Tensor:
    """Numbers of a pair. Images, which networks may look at, are measured in batches where the victim computes."""
    import torch

    def measure(_: int, reference: torch.Tensor, observation: torch.Tensor) -> torch.Tensor:
        measured = distance.measure(Pair(reference, observation, pair.label, pair.space))
        if not isinstance(measured, torch.Tensor):
            raise TypeError(f"{distance.name} returned {measured!r:.80} from measure(), expected a tensor (N,)")
        return measured

    # A distance that works in place must not spoil what the next one sees.
    own = pair.reference.clone(), pair.observation.clone()
    if answers.device is None or pair.space != "image":
        return measure(0, *own)
    joined: torch.Tensor = answers.batched(measure, own)
    return joined


def _check_values(values: torch.Tensor, name: str, count: int) -> None:
    if values.shape != (count,):
        raise ValueError(f"{name} returned shape {tuple(values.shape)}, expected ({count},)")
    finite = values.isfinite()
    if not bool(finite.all()):
        raise ValueError(f"{name} returned {int((~finite).sum())} of {count} values that are not finite")


def _store(column: Column, door: Door, task: ObserveTask, artifacts: Artifacts, seconds: float) -> PartOutcome:
    wanted, cost = column.wanted, door.asked
    meta = {
        "columns": json.dumps(column.labels),
        "ids": json.dumps(door.samples.ids),
        "larger_is_closer": json.dumps(column.distance.larger_is_closer),
        "dataset": task.dataset,
        "dataset_identity": task.dataset_identity,
        "victim": task.victim,
        "defense": wanted.defense,
        "observer": wanted.observer,
        "distance": wanted.distance,
        "seed": str(wanted.seed),
        "fit": door.memo.fitting.note,
        "queries": str(cost.queries),
        "nfe": str(cost.evaluations),
        "seconds": repr(seconds + column.allowance.spent),
    }
    values = np.stack([value.numpy() for value in column.values], axis=1)
    row = artifacts.put(wanted.key, {"values": values}, meta, "features")
    return PartOutcome(wanted.key, "done", queries=cost.queries, nfe=cost.evaluations, stored=(row,))
