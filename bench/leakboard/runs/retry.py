"""What becomes of a task whose worker died."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from leakboard.tasks.task import ObserveTask, PartOutcome, ScoreTask, components, keys_of

if TYPE_CHECKING:
    from leakboard.faults import Status
    from leakboard.tasks.task import Task, TaskOutcome


CHANCES = 2
"""Times that a component's limit may be used up in one run before anything of it came to an end."""


LOSSES = 3
"""Workers of another engine that may be lost with one part of a task before it is to blame."""


class Retries:
    """Remembers which tasks took their worker along, and tells which get another chance."""

    def __init__(self) -> None:
        self._died: set[Task] = set()
        self._lost: Counter[str] = Counter()

    def whole(self, task: Task, outcome: TaskOutcome) -> bool:
        """Whether to try again as it is, elsewhere: a worker was lost with it, which it may not be to blame for.

        Each part is counted, and stays so when the task is split: the one to blame need not do it three times more.
        """
        if not outcome.lost:
            return False
        keys = keys_of(task)
        self._lost.update(keys)
        return max(self._lost[key] for key in keys) < LOSSES

    def allow(self, task: Task, outcome: TaskOutcome) -> bool:
        """Whether to try again: in parts, to find the one to blame, and a single part once more, for it may not be.

        A single part that hung would only hang again, and one that was lost has had its chances.
        """
        hung = bool(outcome.trace)
        alone = len(task.cells if isinstance(task, ScoreTask) else task.wanted) == 1
        if alone and (hung or outcome.lost or task in self._died):
            return False
        self._died.add(task)
        return True


class Patience:
    """Counts whose time was over, so that a component that hangs costs its limit twice, and not in every part.

    One that came to an end before, with the same victim if it is an observer, is slow at times and is tried again.
    """

    def __init__(self) -> None:
        self._overran: Counter[str] = Counter()
        self._proven: set[str] = set()

    def note(self, task: Task, outcome: TaskOutcome) -> None:
        """Hear what came of a task, or of the worker that held it."""
        self._overran.update({outcome.who} if outcome.trace else ())
        if not outcome.died:
            self._overran.update({part.who for part in outcome.parts if part.status == "timeout"})
        for part in outcome.parts:
            if part.status == "done":
                self._proven |= components(task, part.key)

    def lost(self, task: Task) -> dict[str, PartOutcome]:
        """The parts of a task that are not tried, by their keys, each with its reason."""
        given_up = {name for name, times in self._overran.items() if times >= CHANCES} - self._proven - {""}
        found = {}
        for key in keys_of(task) if given_up else ():
            for name in sorted(given_up & components(task, key)):
                error = f"{name} took longer than {task.settings.timeout:g} s {CHANCES} times, and is not tried again"
                found[key] = PartOutcome(key, "timeout", error)
        return found


def buried(task: Task, outcome: TaskOutcome) -> TaskOutcome:
    """The outcome of a task whose only part ended its worker."""
    key = task.wanted[0].key if isinstance(task, ObserveTask) else task.cells[0].key
    status: Status = "timeout" if outcome.trace else "failed"
    return replace(outcome, parts=(PartOutcome(key, status, outcome.died, outcome.trace, outcome.who),))
