"""What becomes of a task whose worker died."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leakboard.tasks.task import ObserveTask, PartOutcome, ScoreTask

if TYPE_CHECKING:
    from leakboard.faults import Status
    from leakboard.tasks.task import Task, TaskOutcome


class Retries:
    """Remembers which tasks took their worker along, and tells which get another chance."""

    def __init__(self) -> None:
        self._died: set[Task] = set()

    def allow(self, task: Task, outcome: TaskOutcome) -> bool:
        """Whether to try again: in parts, to find the one to blame, and a single part once more, for it may not be.

        A single part that hung would only hang again.
        """
        hung = bool(outcome.trace)
        alone = len(task.cells if isinstance(task, ScoreTask) else task.wanted) == 1
        if alone and (hung or task in self._died):
            return False
        self._died.add(task)
        return True


def buried(task: Task, outcome: TaskOutcome) -> TaskOutcome:
    """The outcome of a task whose only part ended its worker."""
    key = task.wanted[0].key if isinstance(task, ObserveTask) else task.cells[0].key
    status: Status = "timeout" if outcome.trace else "failed"
    return replace(outcome, parts=(PartOutcome(key, status, outcome.died, outcome.trace),))
