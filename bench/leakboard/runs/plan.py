"""From cells to the tasks that are still to be run, and what they will cost."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from leakboard.grid.cells import asked
from leakboard.keys import features_key
from leakboard.registry.bind import at, bind
from leakboard.registry.public import is_public
from leakboard.runs.payloads import Payloads
from leakboard.tasks.task import CellWork, ObserveTask, ScoreTask, Settings, Shadow, Wanted, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from leakboard.asking import Cost
    from leakboard.grid.cells import Cell
    from leakboard.grid.grid import Grid
    from leakboard.kinds import Sides
    from leakboard.registry.bind import Bound
    from leakboard.runs.money import Billed
    from leakboard.store.artifacts import ArtifactRow, Artifacts
    from leakboard.tasks.sample_lists import Population

CELLS_PER_TASK = 40
QUALITY = 128
"""Images that each victim generates by default where one of the grid was altered on opening."""


@dataclass(frozen=True)
class Plan:
    """What a grid still needs.

    Attributes:
        cells: all cells of the grid.
        done: keys that have a result, or a recorded skip, already.
        skipped: keys of cells whose components do not fit, and why.
        lost: keys of cells that had a result, but whose scores are missing or damaged on disk.
        observe: expensive tasks.
        score: cheap tasks; each waits for its features.
        outdated: keys of cells that are done, but are measured again from their scores, for the measures have changed.
        again: keys of features that results were made of, and that are made again for their own sake.
        absent: how many such features are not on disk and stay away: nothing but an export of features needs them.
        found: files that belong to the grid and lie on disk whole, though the store does not know them.
        evaluated: by label of a dataset, the fewest samples a side that a cell to be computed will be measured on.
        leased: tasks that other runs on the same server hold, by what these are called.
    """

    cells: tuple[Cell, ...]
    done: frozenset[str]
    skipped: Mapping[str, str]
    lost: frozenset[str]
    observe: tuple[ObserveTask, ...]
    score: tuple[ScoreTask, ...]
    outdated: frozenset[str] = frozenset()
    again: frozenset[str] = frozenset()
    absent: int = 0
    found: tuple[ArtifactRow, ...] = ()
    evaluated: Mapping[str, Sides] = field(default_factory=dict)
    leased: Mapping[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be done, and nothing to be written down."""
        return not (self.todo or self.skipped or self.outdated or self.observe or self.found)

    def __repr__(self) -> str:
        """A few lines, without asking what it will cost."""
        counts = {"done": len(self.done), "skipped": len(self.skipped), "to do": len(self.todo)}
        tasks = f"{len(self.observe):,} observation tasks, {len(self.score):,} scoring tasks"
        told = ", ".join(f"{count:,} {what}" for what, count in counts.items())
        return f"Plan({len(self.cells):,} cells: {told})\n  {tasks}"

    @functools.cached_property
    def todo(self) -> tuple[Cell, ...]:
        """The cells that will be computed."""
        return tuple(cell for cell in self.cells if cell.key not in self.done and cell.key not in self.skipped)

    @functools.cached_property
    def costs(self) -> tuple[Cost, ...]:
        """Queries and denoiser evaluations that each observation task will pay, in the order of ``observe``.

        A pool that is not kept on disk when this is first asked is paid once, by the first task that wants it.
        """
        from leakboard.runs.cost import costs

        return costs(self.observe)

    @property
    def evaluations(self) -> tuple[float, ...]:
        """Denoiser evaluations alone of ``costs``."""
        return tuple(cost.evaluations for cost in self.costs)

    @functools.cached_property
    def bills(self) -> tuple[Billed, ...]:
        """What it will cost in money, by victim; of those that charge something."""
        from leakboard.runs.money import bills

        return bills(self.observe, self.costs)

    def seconds(self, per_evaluation: Mapping[str, float], per_cell: float | None) -> float | None:
        """Estimate from history: seconds a denoiser evaluation of each victim, seconds a cell; None without history."""
        if not per_evaluation and self.observe:
            return None
        typical = sorted(per_evaluation.values())[len(per_evaluation) // 2] if per_evaluation else 0.0
        asking = sum(
            count * per_evaluation.get(task.victim_identity, typical)
            for task, count in zip(self.observe, self.evaluations, strict=True)
        )
        return asking + len(self.todo) * (per_cell or 0.0)

    def summary(self, per_evaluation: Mapping[str, float], per_cell: float | None) -> dict[str, Any]:
        """The plan in numbers, for people and for ``plan --json``."""
        return {
            "cells": len(self.cells),
            "done": len(self.done),
            "skipped": len(self.skipped),
            "measured_again": len(self.outdated),
            "todo": len(self.todo),
            "features_made_again": len(self.again),
            "features_missing": self.absent,
            "observation_tasks": len(self.observe),
            "scoring_tasks": len(self.score),
            "leased_elsewhere": sum(self.leased.values()),
            "denoiser_evaluations": sum(self.evaluations),
            "bills": [bill._asdict() for bill in self.bills],
            "seconds": self.seconds(per_evaluation, per_cell),
        }


def make_plan(
    grid: Grid,
    statuses: Mapping[str, str],
    artifacts: Artifacts,
    population_of: Callable[[Bound], Population],
    sound: Callable[[str], bool] = lambda _: True,
    outdated: Collection[str] = (),
    payloads: Payloads | None = None,
    *,
    features: bool = False,
) -> Plan:
    """Work out what is missing.

    Args:
        grid: the grid.
        statuses: last recorded status of each cell key; ``done`` and ``skipped`` cells are left alone.
        artifacts: where shards of features lie.
        population_of: the samples in use of a dataset; asked only when something is missing.
        sound: whether the scores of a cell that is done, given by its key, are whole on disk.
        outdated: keys of the cells that are done, but that other measures measured.
        payloads: what is known of the files in ``artifacts``.
        features: make again also features that are missing, though all their cells are done. Damaged ones always are.
    """
    payloads = payloads or Payloads(artifacts)
    done = {cell.key for cell in grid.cells if statuses.get(cell.key) == "done"}
    lost = frozenset(key for key in done if not sound(key))
    whole = done - lost
    settled = whole | {cell.key for cell in grid.cells if statuses.get(cell.key) == "skipped"}
    reasons = {cell.key: cell.skip_reason() for cell in grid.cells if cell.key not in settled}
    skipped = {key: reason for key, reason in reasons.items() if reason}
    todo = [cell for cell in grid.cells if cell.key in reasons and cell.key not in skipped]
    shards = _Shards(grid.run.shard, population_of)
    settings = Settings(str(artifacts.root), grid.plugins, grid.run.device, grid.run.batch, grid.run.timeout)
    resting = [cell for cell in grid.cells if cell.key in whole]
    states = {key: payloads.state(key, "features") for cell in resting for key in shards.needs(cell)}
    again = {key for key, state in states.items() if state == "damaged" or (features and state == "missing")}
    return Plan(
        grid.cells,
        frozenset(settled),
        skipped,
        lost,
        _observation_tasks(todo, resting, again, shards, payloads, settings, _pictured(grid), _judged(grid)),
        _scoring_tasks(todo, shards, settings),
        frozenset(whole.intersection(outdated)),
        frozenset(again),
        sum(state == "missing" for key, state in states.items() if key not in again),
    )


def asks(cell: Cell) -> Iterator[tuple[Cell, Bound, Bound]]:
    """Each alternative of a cell with every victim, and the defense before it, that it has features of."""
    for each in cell.alternatives:
        for victim, defense in ((cell.victim, cell.defense), *cell.attacker.calibrates_on):
            yield each, victim, defense


class _Shards:
    """The pieces of each dataset and the keys of their features: many cells share them."""

    def __init__(self, size: int, population_of: Callable[[Bound], Population]) -> None:
        self.size, self.population_of = size, population_of
        self._ids: dict[str, tuple[str, ...]] = {}
        self._keys: dict[tuple[object, ...], tuple[str, ...]] = {}

    def ranges(self, cell: Cell) -> list[range]:
        """Rows of the samples in use, piece by piece."""
        rows = range(len(self._used(cell.dataset)))
        return [rows[start : start + self.size] for start in rows[:: self.size]]

    def keys(self, cell: Cell, victim: Bound, defense: Bound) -> tuple[str, ...]:
        """Keys of the features that a cell needs of a victim under a defense, one a piece."""
        combination = (*asked(cell, victim, defense), cell.seed)
        if combination not in self._keys:
            ids, of = self._used(cell.dataset), asked(cell, victim, defense)
            self._keys[combination] = tuple(
                features_key(of, cell.seed, ids[rows.start : rows.stop]) for rows in self.ranges(cell)
            )
        return self._keys[combination]

    def needs(self, cell: Cell) -> Iterator[str]:
        """Keys of all features that a cell rests on."""
        for each, victim, defense in asks(cell):
            yield from self.keys(each, victim, defense)

    def _used(self, dataset: Bound) -> tuple[str, ...]:
        """Ids of the samples in use. To choose them takes milliseconds, and there are as many keys as combinations."""
        if dataset.identity not in self._ids:
            self._ids[dataset.identity] = self.population_of(dataset).ids
        return self._ids[dataset.identity]


def _observation_tasks(
    todo: Sequence[Cell],
    resting: Sequence[Cell],
    again: Collection[str],
    shards: _Shards,
    payloads: Payloads,
    settings: Settings,
    pictures: Mapping[str, bool],
    judged: Mapping[str, int],
) -> tuple[ObserveTask, ...]:
    wanted: dict[tuple[str, str, str, int], list[Wanted]] = defaultdict(list)
    tasks: dict[tuple[str, str, str, int], ObserveTask] = {}
    seen: set[tuple[str, ...]] = set()
    needed = {key for cell in todo for key in shards.needs(cell)}
    for cell in (*todo, *resting):
        for each, victim, defense in asks(cell):
            keys = shards.keys(each, victim, defense)
            if keys in seen:
                continue
            seen.add(keys)
            query = query_label(defense)
            for rows, key in zip(shards.ranges(cell), keys, strict=True):
                if key not in again and (key not in needed or payloads.state(key, "features") == "whole"):
                    continue
                group = (cell.dataset.identity, victim.identity, query, rows.start)
                wanted[group].append(Wanted(key, cell.seed, defense.spec, each.observer.spec, each.distance.spec))
                if group not in tasks:
                    tasks[group] = ObserveTask(
                        dataset=cell.dataset.spec,
                        dataset_identity=cell.dataset.identity,
                        victim=victim.spec,
                        victim_identity=victim.identity,
                        query=query,
                        sides=cell.sides,
                        start=rows.start,
                        stop=rows.stop,
                        wanted=(),
                        settings=settings,
                        title=victim.label,
                        pictures=pictures[cell.dataset.identity],
                        quality=0 if rows.start else judged.get(victim.identity, 0),
                    )
    return tuple(replace(task, wanted=tuple(sorted(wanted[group], key=_place))) for group, task in tasks.items())


def _pictured(grid: Grid) -> dict[str, bool]:
    """By the identity of a dataset whether images of it are kept to be shown: of public ones, and where it is asked."""
    datasets = {cell.dataset.identity: cell.dataset for cell in grid.cells}
    return {identity: grid.run.pictures or is_public(dataset) for identity, dataset in datasets.items()}


def _judged(grid: Grid) -> dict[str, int]:
    """By the identity of a victim under attack how many images it generates to have its quality measured."""
    attacked = {cell.victim.identity: cell.victim.only for cell in grid.cells}
    wanted = grid.run.quality
    if wanted is None:
        wanted = QUALITY if any(victim.altered for victim in attacked.values()) else 0
    # whoever answers as a service is paid by the question
    return {identity: wanted for identity, victim in attacked.items() if wanted and victim.access != "black"}


def query_label(defense: Bound) -> str:
    """What stands at the query: defenses that share it share the victim's answers."""
    links = at(defense.chain, "query")
    return bind("defense", links).label if links else "none"


def _place(wanted: Wanted) -> tuple[int, str, str, str]:
    return wanted.seed, wanted.defense, wanted.observer, wanted.distance


def _scoring_tasks(todo: Sequence[Cell], shards: _Shards, settings: Settings) -> tuple[ScoreTask, ...]:
    groups: dict[tuple[object, ...], list[Cell]] = defaultdict(list)
    for cell in todo:
        shared = [point.identity for axis, point in cell.axes.items() if axis not in ("defense", "classifier")]
        groups[(*shared, cell.seed)].append(cell)
    tasks = []
    for cells in groups.values():
        first = cells[0]
        label = f"{first.victim.label} | {first.observer.label} | {first.distance.label}"
        for start in range(0, len(cells), CELLS_PER_TASK):
            work = tuple(_work(cell, shards) for cell in cells[start : start + CELLS_PER_TASK])
            tasks.append(
                ScoreTask(
                    label=label,
                    dataset_identity=first.dataset.identity,
                    victim=first.victim.spec,
                    victim_identity=first.victim.identity,
                    sides=first.sides,
                    cells=work,
                    settings=settings,
                )
            )
    return tuple(tasks)


def _work(cell: Cell, shards: _Shards) -> CellWork:
    return CellWork(
        key=cell.key,
        labels=cell.labels,
        seed=cell.seed,
        calibration=cell.calibration,
        ways=tuple(_way(each, cell, shards) for each in cell.alternatives),
        null=cell.observer.only.null,
        competes=not cell.is_null,
    )


def _way(each: Cell, cell: Cell, shards: _Shards) -> Way:
    """One way to make the scores of a cell, called by what sets it apart from the others."""
    seen = [(victim.spec, shards.keys(each, victim, defense)) for victim, defense in cell.attacker.calibrates_on]
    shadows = tuple(itertools.starmap(Shadow, seen)) if cell.attacker.shadows else ()
    pairs = zip(each.axes.values(), cell.axes.values(), strict=True)
    return Way(
        classifier=each.classifier.spec,
        calibrate_on=() if shadows or not seen else seen[0][1],
        evaluate_on=shards.keys(each, each.victim, each.defense),
        shadows=shadows,
        observer=each.observer.identity,
        label=", ".join(one.label for one, whole in pairs if one.identity != whole.identity),
    )
