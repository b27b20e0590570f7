"""The observation task: victim, observers and distances to shards of features."""

from __future__ import annotations

import itertools
import json
import resource
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import Pair, Refused, Unsupported
from leakboard.faults import Fault, contained
from leakboard.oracle import bypass
from leakboard.oracle.door import Door
from leakboard.oracle.provider import Provider, defended
from leakboard.registry.bind import at
from leakboard.store.artifacts import Artifacts, CannotWrite
from leakboard.surroundings import kept
from leakboard.tasks.columns import Column, measure
from leakboard.tasks.contact_sheet import keep_contact_sheet
from leakboard.tasks.task import PartOutcome, TaskOutcome, who
from leakboard.tasks.time_limits import Allowance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakboard.api import Access, Defense, Observer, Samples
    from leakboard.oracle.memo import Memo
    from leakboard.oracle.provider import Returned
    from leakboard.registry.bind import Bound
    from leakboard.registry.find import Registry
    from leakboard.store.artifacts import ArtifactRow
    from leakboard.tasks.task import ObserveTask, Wanted

MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10
"""In the unit in which the system tells the peak memory of a process."""


def observe(
    task: ObserveTask,
    registry: Registry,
    samples: Samples,
    memo: Memo,
    prompts: tuple[str, ...] | None,
    access: Access = "white",
) -> TaskOutcome:
    """Run every wanted observer and distance for one shard; one that fails takes only its own features along.

    Args:
        task: what is wanted.
        registry: where its components are found.
        samples: those of the shard.
        memo: what the victim said of them so far.
        prompts: what the victim is given with each sample.
        access: the most that the victim answers.
    """
    start = time.perf_counter()
    artifacts = Artifacts.at(task.settings.artifacts)
    found: list[PartOutcome] = []
    sheets: list[ArtifactRow] = []
    changed: list[str] = []
    for (seed, spec), group in itertools.groupby(task.wanted, lambda wanted: (wanted.seed, wanted.defense)):
        of_defense = list(group)
        with kept() as state, contained(CannotWrite) as caught, Allowance(task.settings.timeout, who("defense", spec)):
            defense = registry.one("defense", spec)
            provider = Provider(at(defense.chain, "query"), at(defense.chain, "output"), access)
            # remembered for the observers, whose doors lead to the same memo
            images = Door(memo, samples, seed, "black", provider).images
        changed += [f"{who('defense', spec)}: {name}" for name in state.lost]
        if caught.fault:
            found += [PartOutcome(wanted.key, *caught.fault) for wanted in of_defense]
            continue
        returned: Returned | None = None
        for observer_spec, of_observer in itertools.groupby(of_defense, lambda wanted: wanted.observer):
            wanted_here = list(of_observer)
            with contained() as caught:
                observer = registry.one("observer", observer_spec).only
                door = Door(memo, samples, seed, observer.access, provider, prompts)
            if caught.fault:
                found += [PartOutcome(wanted.key, *caught.fault) for wanted in wanted_here]
                continue
            columns, failed = _columns(wanted_here, registry, task.settings.timeout)
            found += failed
            allowance = Allowance(task.settings.timeout, who("observer", observer_spec, task.victim))
            with kept() as state:
                seconds = _run(observer, door, defense, columns, allowance)
            changed += [f"{who('observer', observer_spec)}: {name}" for name in state.lost]
            for column in columns:
                changed += [f"{who('distance', column.wanted.distance)}: {name}" for name in column.changed]
            made = [
                column.failure or _store(column, door, task, registry, artifacts, samples.ids, seconds)
                for column in columns
            ]
            found += made
            if returned is None and any(part.status == "done" for part in made):
                returned = door.returned
        if task.start == 0:
            with contained(CannotWrite):  # a plugin's files() may fail now, and pictures are not worth its cells
                sheets += keep_contact_sheet(
                    task,
                    registry,
                    artifacts,
                    samples,
                    defense,
                    seed=seed,
                    seen=images,
                    returned=returned,
                    fit=memo.fitting.note,
                )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
    # the memo counts by the sample, and pools by all their images, however many samples share them
    paid = memo.paid.evaluations * len(samples.ids) + sum(pool.evaluations for pool in memo.pools_made.values())
    stored = (*sheets, *(memo.pools.stored if memo.pools else ()))
    return TaskOutcome(
        tuple(found), time.perf_counter() - start, paid, peak, memo.batch_size, stored, changed=tuple(changed)
    )


def _columns(wanted: Iterable[Wanted], registry: Registry, timeout: float) -> tuple[list[Column], list[PartOutcome]]:
    """What distances will fill, and what became of those that cannot be made."""
    columns: list[Column] = []
    failed: list[PartOutcome] = []
    for each in wanted:
        with contained() as caught:
            distance = registry.one("distance", each.distance).only
            columns.append(Column(each, distance, Allowance(timeout, who("distance", each.distance))))
        if caught.fault:
            failed.append(PartOutcome(each.key, *caught.fault))
    return columns, failed


def _run(observer: Observer, door: Door, defense: Bound, columns: list[Column], allowance: Allowance) -> float:
    """One observer under one defense: its pairs through every distance that wants them. Gives its seconds.

    Where a defense lets no more questions pass, what came before is the result.
    """
    paid_before = door.memo.paid.seconds
    try:
        with contained(Refused, CannotWrite) as caught:
            for pair in _pairs(observer, door, defense, allowance):
                for column in columns:
                    if column.failure is None:
                        measure(column, pair, door.memo)
                if all(column.failure for column in columns):
                    break
            else:
                if not any(column.pairs or column.failure for column in columns):
                    raise ValueError("the observer yielded no pair")
        if caught.fault:
            _fail(columns, caught.fault)
    except Refused:
        nothing = Fault("skipped", f"refused before there was anything to measure: {door.refusal}", "")
        _fail([column for column in columns if not column.pairs], nothing)
    # As if it ran alone: what its code took, less what the victim took now, who answers only what is new, and with what
    # all its questions took when they were first asked, by whichever observer. The seconds of a pool are left out: they
    # stand beside, once for all shards.
    return allowance.spent - (door.memo.paid.seconds - paid_before) + door.asked.seconds


def _fail(columns: Iterable[Column], why: Fault) -> None:
    """Give up the columns that have not failed before, for a reason of their own."""
    for column in columns:
        column.failure = column.failure or PartOutcome(column.wanted.key, *why)


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
                pair = _defended(part, pair, door, f"{link} {pair.label}")
        yield pair


def _defended(defense: Defense, pair: Pair, door: Door, place: str) -> Pair:
    """A pair after one defense right before the distance; what is subtracted from it gets noise of its own."""
    return replace(
        pair,
        reference=defended(defense, pair.reference, door.seeds, f"reference{place}"),
        observation=defended(defense, pair.observation, door.seeds, f"observation{place}"),
        less=pair.less and _defended(defense, pair.less, door, f" less{place}"),
    )


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
    if pair.less is not None:
        _check(pair.less, door)
        if pair.less.space != pair.space:
            raise ValueError(f"pair {pair.label!r} is {pair.space}, what is subtracted from it {pair.less.space}")


def _store(
    column: Column,
    door: Door,
    task: ObserveTask,
    registry: Registry,
    artifacts: Artifacts,
    ids: tuple[str, ...],
    seconds: float,
) -> PartOutcome:
    wanted, cost = column.wanted, door.asked
    meta = {
        "columns": json.dumps(column.names),
        "shapes": json.dumps(column.pairs),
        "ids": json.dumps(ids),
        "larger_is_closer": json.dumps(column.distance.larger_is_closer),
        "dataset": registry.one("dataset", task.dataset).shown,
        "dataset_identity": task.dataset_identity,
        "victim": registry.one("victim", task.victim).shown,
        "victim_identity": task.victim_identity,
        "defense": registry.one("defense", wanted.defense).shown,
        "observer": registry.one("observer", wanted.observer).shown,
        "distance": registry.one("distance", wanted.distance).shown,
        "seed": str(wanted.seed),
        "fit": door.memo.fitting.note,
        "refusal": door.refusal,
        "remarks": door.provider.remarks(door.asked, door.pooled),
        "bypass": bypass.told(door.past),
        "queries": repr(cost.queries),
        "nfe": repr(cost.evaluations),
        "pool_queries": repr(door.pooled.queries),
        "pool_nfe": repr(door.pooled.evaluations),
        "pool_seconds": repr(door.pooled.seconds),
        "seconds": repr(seconds + column.allowance.spent),
    }
    values = np.concatenate([value.numpy() for value in column.values], axis=1)
    row = artifacts.put(wanted.key, {"values": values}, meta, "features")
    return PartOutcome(wanted.key, "done", queries=cost.queries, evaluations=cost.evaluations, stored=(row,))
