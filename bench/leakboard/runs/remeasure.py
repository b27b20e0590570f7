"""Cells whose scores are there, but not the number of every measure: these are measured, and nobody is asked.

A measure is due in a cell where it never came to an end, or where other code than now did: so one that failed, or took
too long, is tried again in every run. Numbers of measures that are not installed here stay beside those that are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leakboard.registry.find import shared
from leakboard.store.artifacts import Artifacts, Damaged, Missing
from leakboard.store.rows import AttemptRow, now
from leakboard.tasks.measure import Measured, joined, key_of, measure, registered

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from leakboard.api import Measure
    from leakboard.grid.grid import Grid
    from leakboard.store import Store

BATCH = 1000
"""Cells a transaction."""


def outdated(grid: Grid, store: Store) -> frozenset[str]:
    """Keys of the cells of a grid that are done, and where a measure is due."""
    keys = {measure.name: key_of(measure) for measure in registered(shared(grid.plugins))}
    due = {cell for cell, before in store.measured_by().items() if not keys.items() <= before.items()}
    return frozenset(cell.key for cell in grid.cells if cell.key in due)


def tells_threshold(artifacts: Artifacts, scores: str) -> bool:
    """Whether scores can be measured again: a file made by an older version says nothing of the threshold."""
    try:
        return "threshold" in artifacts.get(scores)[1]
    except (Missing, Damaged):
        return False


def remeasure(grid: Grid, store: Store, run_id: int, cells: Collection[str]) -> None:
    """Append a new attempt to each of some cells, given by their keys, where measures that are due give other numbers.

    One that fails as it did before appends nothing.
    """
    measures = registered(shared(grid.plugins))
    keys = sorted(cells)
    for start in range(0, len(keys), BATCH):
        attempts = store.last_attempts(keys[start : start + BATCH])
        store.record(run_id, attempts=list(_measured(attempts, measures, Artifacts(store.artifacts), grid.run.timeout)))


def _measured(
    attempts: list[AttemptRow], measures: tuple[Measure, ...], artifacts: Artifacts, timeout: float
) -> Iterator[AttemptRow]:
    keys = {measure.name: key_of(measure) for measure in measures}
    for attempt in attempts:
        due = [each for each in measures if attempt.measured_by.get(each.name) != keys[each.name]]
        try:
            tensors, meta = artifacts.get(attempt.scores_key or "")
        except (Missing, Damaged):
            continue  # spoilt since the plan was made: the next one finds it lost
        threshold = float(meta["threshold"]) if meta["threshold"] else None
        found = measure(due, tensors["score"], tensors["member"].astype(bool), threshold, timeout)
        before = Measured(attempt.results, attempt.note, attempt.measured_by)
        after = joined(before, [each.name for each in due], found)
        if after != before:
            yield replace(attempt, created=now(), **after._asdict())
