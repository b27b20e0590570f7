"""Cells whose scores are there, but whose numbers other measures gave: measured again, and nobody is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leakboard.registry.find import shared
from leakboard.store.artifacts import Artifacts, Damaged, Missing
from leakboard.store.rows import AttemptRow, now
from leakboard.tasks.measure import key_of, measure, noted, registered

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from leakboard.api import Measure
    from leakboard.grid.grid import Grid
    from leakboard.store import Store

BATCH = 1000
"""Cells a transaction."""


def outdated(grid: Grid, store: Store) -> frozenset[str]:
    """Keys of the cells of a grid that are done, but were measured by other measures than there are now."""
    key, known = key_of(registered(shared(grid.plugins))), store.measured_by()
    return frozenset(cell.key for cell in grid.cells if known.get(cell.key, key) != key)


def tells_threshold(artifacts: Artifacts, scores: str) -> bool:
    """Whether scores can be measured again: a file made by an older version says nothing of the threshold."""
    try:
        return "threshold" in artifacts.get(scores)[1]
    except (Missing, Damaged):
        return False


def remeasure(grid: Grid, store: Store, run_id: int, cells: Collection[str]) -> None:
    """Append a new attempt, with new numbers, to each of some cells, given by their keys."""
    measures = registered(shared(grid.plugins))
    keys = sorted(cells)
    for start in range(0, len(keys), BATCH):
        attempts = store.last_attempts(keys[start : start + BATCH])
        store.record(run_id, attempts=list(_measured(attempts, measures, Artifacts(store.artifacts), grid.run.timeout)))


def _measured(
    attempts: list[AttemptRow], measures: tuple[Measure, ...], artifacts: Artifacts, timeout: float
) -> Iterator[AttemptRow]:
    key = key_of(measures)
    for attempt in attempts:
        try:
            tensors, meta = artifacts.get(attempt.scores_key or "")
        except (Missing, Damaged):
            continue  # spoilt since the plan was made: the next one finds it lost
        threshold = float(meta["threshold"]) if meta["threshold"] else None
        found = measure(measures, tensors["score"], tensors["member"].astype(bool), threshold, timeout)
        note = noted(attempt.note, found)
        yield replace(attempt, created=now(), results=found.results, note=note, measures_key=key)
