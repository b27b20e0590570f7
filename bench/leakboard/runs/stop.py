"""When to end a run early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.runs.schedule import points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

    from leakboard.tasks.task import ObserveTask, TaskOutcome

ALIKE = 3
"""Observation tasks that must fail alike before anything succeeded, to end the run early.

It goes on all the same while a component is left that none of them was about: it alone could be what fails.
"""


class Stopped(Exception):
    """The run ends early, for the reason given."""


class StopRule:
    """Ends a run whose first observation tasks all fail alike, once every part of the grid has had its turn.

    Args:
        tasks: all observation tasks of the plan.
        vary: lets the task come next that is about the most that has not been tried; tells whether one is left.
    """

    def __init__(self, tasks: Iterable[ObserveTask], vary: Callable[[AbstractSet[tuple[str, str]]], bool]) -> None:
        self._everything: frozenset[tuple[str, str]] = frozenset().union(*map(points, tasks))
        self._vary = vary
        self._tried: set[tuple[str, str]] = set()
        self._errors: list[str] = []
        self._watching = True

    def judge(self, task: ObserveTask, outcome: TaskOutcome) -> None:
        """Hear what came of a task. While all is one and the same failure, what is most unlike comes next.

        Raises:
            Stopped: the run is not worth going on with.
        """
        if not self._watching:
            return
        self._errors += [part.error for part in outcome.parts if part.status in ("failed", "timeout")]
        done = any(part.status == "done" for part in outcome.parts)
        if done or len(set(self._errors)) != 1:
            self._watching = False
            return
        self._tried |= points(task)
        left = self._vary(self._tried)
        if left and self._tried >= self._everything and len(self._errors) >= ALIKE:
            raise Stopped(f"the first {len(self._errors)} observation tasks all failed alike: {self._errors[0]}")
