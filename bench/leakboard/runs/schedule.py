"""In which order tasks run, and which are no longer worth running."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import replace
from typing import TYPE_CHECKING

from leakboard.tasks.task import ObserveTask, ScoreTask, keys_of, only, split

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from leakboard.tasks.task import CellWork, Task, Wanted


def points(task: ObserveTask) -> frozenset[tuple[str, str]]:
    """What a task is about, axis by axis: dataset, victim and defense at the query, and what is wanted of them."""
    found = {("dataset", task.dataset_identity), ("victim", task.victim_identity), ("query", task.query)}
    for wanted in task.wanted:
        found |= {("defense", wanted.defense), ("observer", wanted.observer), ("distance", wanted.distance)}
    return frozenset(found)


class TaskQueue:
    """The tasks of a plan. A scoring task comes up as soon as the features that its cells need are there.

    Features whose cells are all lost to another failure are not asked for any more, but for those that are made
    ``again`` for their own sake.

    Attributes:
        open: tasks that are not finished, those that are running included.
    """

    def __init__(self, observe: Iterable[ObserveTask], score: Iterable[ScoreTask], again: Iterable[str] = ()) -> None:
        self._queue: deque[Task] = deque(observe)
        self._waiting: dict[int, ScoreTask] = dict(enumerate(score))
        self._missing: dict[int, set[str]] = {}
        self._waiters: dict[str, set[int]] = defaultdict(set)
        self._users: Counter[str] = Counter(again)
        self._decided: set[str] = set()
        self.open = len(self._queue) + len(self._waiting)
        coming = {wanted.key for task in self._queue if isinstance(task, ObserveTask) for wanted in task.wanted}
        for number, task in list(self._waiting.items()):
            for cell in task.cells:
                self._users.update(cell.needs)
            self._missing[number] = set(task.needs & coming)
            for key in self._missing[number]:
                self._waiters[key].add(number)
            self._release(number)

    def take(self) -> Task | None:
        """The next task, or None when there is none that can run now."""
        while self._queue:
            task = self._queue.popleft()
            if isinstance(task, ScoreTask):
                return task
            if wanted := self._needed(task):
                return replace(task, wanted=wanted)
            self.open -= 1
        return None

    def vary(self, tried: AbstractSet[tuple[str, str]]) -> bool:
        """Let the observation task come next that is about the most that has not been tried. Tells if there is any."""
        tasks = [task for task in self._queue if isinstance(task, ObserveTask) and self._needed(task)]
        if tasks:
            other = max(tasks, key=lambda task: len(points(task) - tried))
            self._queue.remove(other)
            self._queue.appendleft(other)
        return bool(tasks)

    def finish(self) -> None:
        """A task that was taken is done with."""
        self.open -= 1

    def retry(self, task: Task) -> int:
        """Put back a task that was taken, in the smallest parts; they come next. Gives their number."""
        parts = split(task)
        self._queue.extendleft(reversed(parts))
        self.open += len(parts) - 1
        return len(parts)

    def again(self, task: Task) -> None:
        """Put back a task that was taken, as it is; it comes next."""
        self._queue.appendleft(task)

    def arrived(self, key: str) -> None:
        """Features have been made."""
        for number in self._waiters.pop(key, ()):
            if number in self._waiting:
                self._missing[number].discard(key)
                self._release(number)

    def failed(self, key: str) -> list[CellWork]:
        """Features cannot be made. Gives the cells that are lost with them."""
        lost: list[CellWork] = []
        for number in self._waiters.pop(key, ()):
            if number not in self._waiting:
                continue
            gone = [cell for cell in self._waiting[number].cells if key in cell.needs]
            self._leave(number, gone)
            lost += gone
        return lost

    def put(self, task: Task) -> None:
        """Put back a task that was taken, as it is; it comes next."""
        self._queue.appendleft(task)

    def decided(self, cells: Iterable[str]) -> None:
        """Others scored some cells, given by their keys. What only these waited for is not asked for any more."""
        fresh = {*cells} - self._decided
        self._decided |= fresh
        for number, task in list(self._waiting.items()) if fresh else ():
            if gone := [cell for cell in task.cells if cell.key in fresh]:
                self._leave(number, gone)

    def undecided(self, task: Task) -> Task:
        """A scoring task without the cells that others scored."""
        return only(task, {*keys_of(task)} - self._decided)

    def needed(self, task: ObserveTask) -> ObserveTask:
        """An observation task without what no cell waits for any more."""
        return replace(task, wanted=self._needed(task))

    def _leave(self, number: int, gone: list[CellWork]) -> None:
        """Some cells of a scoring task that waits are lost to it."""
        task = self._waiting[number]
        for cell in gone:
            self._users.subtract(cell.needs)
        kept = replace(task, cells=tuple(cell for cell in task.cells if cell not in gone))
        self._waiting[number] = kept
        self._missing[number] &= kept.needs
        self._release(number)

    def _needed(self, task: ObserveTask) -> tuple[Wanted, ...]:
        """The features of a task that some cell still waits for."""
        return tuple(want for want in task.wanted if self._users[want.key])

    def _release(self, number: int) -> None:
        """Let a scoring task run next if it waits for nothing any more."""
        if self._missing[number]:
            return
        task = self._waiting.pop(number)
        if task.cells:
            self._queue.appendleft(task)
        else:
            self.open -= 1
