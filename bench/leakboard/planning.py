"""From cells to the tasks that are still to be run, and what they will cost."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from leakboard.artifacts import Artifacts
from leakboard.cells import Cell, features_key
from leakboard.components import Bound, at, bind
from leakboard.grid import Grid
from leakboard.population import Population
from leakboard.tasks import CellWork, ObserveTask, ScoreTask, Settings, Wanted

CELLS_PER_TASK = 40


@dataclass(frozen=True)
class Plan:
    """What a grid still needs.

    Attributes:
        cells: all cells of the grid.
        done: keys that have a result, or a recorded skip, already.
        skipped: keys of cells whose components do not fit, and why.
        observe: expensive tasks.
        score: cheap tasks; each waits for its features.
    """

    grid: Grid
    cells: tuple[Cell, ...]
    done: frozenset[str]
    skipped: dict[str, str]
    observe: tuple[ObserveTask, ...]
    score: tuple[ScoreTask, ...]

    @property
    def todo(self) -> tuple[Cell, ...]:
        """The cells that will be computed."""
        return tuple(cell for cell in self.cells if cell.key not in self.done and cell.key not in self.skipped)

    @functools.cached_property
    def nfe(self) -> tuple[int, ...]:
        """Denoiser evaluations that each observation task will pay, in the order of ``observe``."""
        from leakboard.counting import evaluations

        return tuple(evaluations(task) * (task.stop - task.start) for task in self.observe)

    def seconds(self, per_nfe: Mapping[str, float], per_cell: float | None) -> float | None:
        """Estimate from history: seconds a denoiser evaluation of each victim, seconds a cell; None without history."""
        if not per_nfe and self.observe:
            return None
        typical = sorted(per_nfe.values())[len(per_nfe) // 2] if per_nfe else 0.0
        asking = sum(
            nfe * per_nfe.get(task.victim_identity, typical) for task, nfe in zip(self.observe, self.nfe, strict=True)
        )
        return asking + len(self.todo) * (per_cell or 0.0)

    def summary(self, per_nfe: Mapping[str, float], per_cell: float | None) -> dict[str, Any]:
        """The plan in numbers, for people and for ``plan --json``."""
        return {
            "cells": len(self.cells),
            "done": sum(cell.key in self.done for cell in self.cells),
            "skipped": len(self.skipped),
            "todo": len(self.todo),
            "observation_tasks": len(self.observe),
            "scoring_tasks": len(self.score),
            "denoiser_evaluations": sum(self.nfe),
            "seconds": self.seconds(per_nfe, per_cell),
        }


def make_plan(
    grid: Grid, statuses: Mapping[str, str], artifacts: Artifacts, population: Callable[[Bound], Population]
) -> Plan:
    """Work out what is missing.

    Args:
        grid: the grid.
        statuses: last recorded status of each cell key; ``done`` and ``skipped`` cells are left alone.
        artifacts: where shards of features lie.
        population: the samples in use of a dataset; asked only when something is missing.
    """
    settled = frozenset(cell.key for cell in grid.cells if statuses.get(cell.key) in ("done", "skipped"))
    skipped: dict[str, str] = {}
    todo = []
    for cell in grid.cells:
        if cell.key in settled:
            continue
        reason = cell.skip_reason()
        if reason:
            skipped[cell.key] = reason
        else:
            todo.append(cell)
    settings = Settings(
        str(artifacts.root), grid.plugins, grid.run.device, grid.run.batch, grid.run.timeout, grid.run.level
    )
    ranges: dict[str, list[tuple[int, int]]] = {}
    for cell in todo:
        if cell.dataset.identity not in ranges:
            count = len(population(cell.dataset).ids)
            starts = range(0, count, grid.run.shard)
            ranges[cell.dataset.identity] = [(start, min(start + grid.run.shard, count)) for start in starts]
    return Plan(
        grid,
        grid.cells,
        settled,
        skipped,
        _observation_tasks(todo, ranges, artifacts, settings),
        _scoring_tasks(todo, ranges, settings),
    )


def query_label(defense: Bound) -> str:
    """What stands at the query: defenses that share it share the victim's answers."""
    links = at(defense.chain, "query")
    return bind("defense", links).label if links else "none"


def _observation_tasks(
    todo: list[Cell], ranges: Mapping[str, list[tuple[int, int]]], artifacts: Artifacts, settings: Settings
) -> tuple[ObserveTask, ...]:
    wanted: dict[tuple[str, str, str, int], dict[str, Wanted]] = defaultdict(dict)
    tasks: dict[tuple[str, str, str, int], ObserveTask] = {}
    for cell in todo:
        for defense in {cell.defense.spec: cell.defense, cell.calibration_defense.spec: cell.calibration_defense}.values():
            query = query_label(defense)
            for start, stop in ranges[cell.dataset.identity]:
                key = features_key(cell, defense, start, stop)
                group = (cell.dataset.identity, cell.victim.identity, query, start)
                if key in wanted[group] or artifacts.has(key):
                    continue
                wanted[group][key] = Wanted(
                    key, cell.seed, defense.spec, cell.observer.spec, cell.distance.spec
                )
                if group not in tasks:
                    tasks[group] = ObserveTask(
                        cell.dataset.spec,
                        cell.dataset.identity,
                        cell.victim.spec,
                        cell.victim.identity,
                        query,
                        cell.samples,
                        start,
                        stop,
                        (),
                        settings,
                    )
    in_order = {group: sorted(found.values(), key=_place) for group, found in wanted.items()}
    return tuple(replace(task, wanted=tuple(in_order[group])) for group, task in tasks.items())


def _place(wanted: Wanted) -> tuple[int, str, str, str]:
    return wanted.seed, wanted.defense, wanted.observer, wanted.distance


def _scoring_tasks(
    todo: list[Cell], ranges: Mapping[str, list[tuple[int, int]]], settings: Settings
) -> tuple[ScoreTask, ...]:
    groups: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for cell in todo:
        shared = (cell.dataset.identity, cell.victim.identity, cell.seed, cell.observer.identity, cell.distance.identity)
        groups[shared].append(cell)
    tasks = []
    for cells in groups.values():
        first = cells[0]
        label = f"{first.victim.label} | {first.observer.label} | {first.distance.label}"
        for start in range(0, len(cells), CELLS_PER_TASK):
            some = cells[start : start + CELLS_PER_TASK]
            work = tuple(_work(cell, ranges[cell.dataset.identity]) for cell in some)
            tasks.append(ScoreTask(label, first.dataset.identity, first.samples, work, settings))
    return tuple(tasks)


def _work(cell: Cell, ranges: list[tuple[int, int]]) -> CellWork:
    def shards(defense: Bound) -> tuple[str, ...]:
        return tuple(features_key(cell, defense, start, stop) for start, stop in ranges)

    return CellWork(
        cell.key,
        cell.classifier.spec,
        cell.attacker,
        cell.labels,
        cell.seed,
        cell.calibration,
        shards(cell.calibration_defense),
        shards(cell.defense),
    )
