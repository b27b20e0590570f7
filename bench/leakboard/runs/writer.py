"""Writes to the store what a run begins with and what comes of its tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakboard.runs.rows import cell_row, component_rows, task_row
from leakboard.store import AttemptRow
from leakboard.store.artifacts import Artifacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakboard.runs.plan import Plan
    from leakboard.store import Store
    from leakboard.tasks.sample_lists import Populations
    from leakboard.tasks.task import Task, TaskOutcome


@dataclass(frozen=True)
class Writer:
    """The one writer of a run. Every call commits one transaction, so nothing finished is ever lost."""

    store: Store
    run_id: int

    def begin(self, plan: Plan, populations: Populations) -> None:
        """Write down cells, components and the cells whose components do not fit."""
        fresh = [cell for cell in plan.cells if cell.key not in plan.done]
        self.store.record(
            self.run_id,
            components=component_rows(plan.cells, populations.known),
            cells=[cell_row(cell) for cell in fresh],
            attempts=[AttemptRow(cell_key=key, status="skipped", error=why) for key, why in plan.skipped.items()],
            artifacts=[*plan.found, *populations.save(self.artifacts)],
        )

    def write(
        self, task: Task, outcome: TaskOutcome, attempts: Sequence[AttemptRow], released: Sequence[str] = ()
    ) -> None:
        """Write down a finished task, the cells it decided, and the files it left, and release leases by their keys."""
        self.store.record(
            self.run_id,
            task=task_row(task, outcome),
            attempts=attempts,
            artifacts=[*outcome.stored, *(row for part in outcome.parts for row in part.stored)],
            released=released,
        )

    def drop(self, keys: Iterable[str]) -> None:
        """Remove the files of damaged artifacts, but for those that another run made again meanwhile."""
        for key in keys:
            if not self.artifacts.whole(key):
                self.artifacts.drop(key)

    @property
    def artifacts(self) -> Artifacts:
        """Where the files lie."""
        return Artifacts(self.store.artifacts)
