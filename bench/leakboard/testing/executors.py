"""What an executor owes: every task run once, and its outcome settled in the process that called it."""

from __future__ import annotations

import contextlib
import functools
import tempfile
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakboard.tasks.time_limits import Allowance
from leakboard.testing.checks import Check, Subject
from leakboard.workers import ExecutorSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from leakboard.api import Executor

LIMIT = 60
"""Seconds that an executor gets for a handful of tasks that take no time."""
TASKS = tuple(f"task {number}" for number in range(5))


class Ended(Exception):
    """What `settle` raises to end a run."""


class Tray:
    """A source of a few tasks, some of which come up only when another is settled.

    Attributes:
        settled: tasks with their outcomes, in the order in which they were settled.
        crowded: whether two threads used it at the same time.
    """

    def __init__(self, tasks: Sequence[str], then: Mapping[str, str] | None = None, *, ends: bool = False) -> None:
        self.settled: list[tuple[Any, Any]] = []
        self.crowded = False
        self._ready = deque(tasks)
        self._then = dict(then or {})
        self._ends = ends
        self._lock = threading.Lock()

    def take(self) -> str | None:
        """The next task, or None."""
        with self._alone():
            return self._ready.popleft() if self._ready else None

    def settle(self, task: Any, outcome: Any) -> None:
        """Note an outcome, and let the task come up that waits for it."""
        with self._alone():
            self.settled.append((task, outcome))
            if task in self._then:
                self._ready.append(self._then.pop(task))
        if self._ends:
            raise Ended("this ends the run")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(blocking=False):
            self.crowded = True
            self._lock.acquire()
        try:
            time.sleep(0.001)  # so that two threads meet here, if there are two
            yield
        finally:
            self._lock.release()


def do(folder: Path, task: str) -> str:
    """The work: leave a file for each time that the task is run."""
    with tempfile.NamedTemporaryFile(prefix=f"{task}.", dir=folder, delete=False):
        return _outcome(task)


def _outcome(task: str) -> str:
    return f"outcome of {task}"


def _run(executor: Executor, tray: Tray, workers: int = 2) -> Counter[str]:
    """Run a tray empty. Tells how often each task was run."""
    with tempfile.TemporaryDirectory(prefix="leakboard-") as folder:
        work: Callable[[str], str] = functools.partial(do, Path(folder))
        with Allowance(LIMIT):
            executor.run(tray, work, ExecutorSettings(workers, threads=1))
        return Counter(path.name.partition(".")[0] for path in Path(folder).iterdir())


def _done(executor: Executor, tray: Tray, tasks: Sequence[str], workers: int = 2) -> None:
    runs = _run(executor, tray, workers)
    settled = Counter(task for task, _ in tray.settled)
    missing = [task for task in tasks if not settled[task]]
    assert not missing, f"it ended and left {', '.join(missing)} unsettled"
    often = sorted(task for task in tasks if settled[task] > 1 or runs[task] > 1)
    assert not often, f"more than once: {', '.join(often)}"
    idle = sorted(task for task in tasks if not runs[task])
    assert not idle, f"settled without work(task): {', '.join(idle)}"
    wrong = [task for task, outcome in tray.settled if outcome != _outcome(task)]
    assert not wrong, f"settled with what is not their outcome: {', '.join(map(str, wrong))}"


def _once(subject: Subject) -> None:
    executor: Executor = subject.made
    for workers in (1, 2):
        _done(executor, Tray(TASKS), TASKS, workers)


def _later(subject: Subject) -> None:
    executor: Executor = subject.made
    """A chain, each link of which comes up when the one before is settled: meanwhile there is nothing to take."""
    chain = TASKS[:3]
    _done(executor, Tray(chain[:1], {chain[0]: chain[1], chain[1]: chain[2]}), chain)


def _alone(subject: Subject) -> None:
    executor: Executor = subject.made
    tray = Tray(TASKS)
    _run(executor, tray)
    assert not tray.crowded, "two threads use the source at the same time"


def _dry(subject: Subject) -> None:
    executor: Executor = subject.made
    tray = Tray(())
    runs = _run(executor, tray)
    assert not runs, "it ran tasks that nobody gave it"
    assert not tray.settled, "it settled tasks that nobody gave it"


def _raises(subject: Subject) -> None:
    executor: Executor = subject.made
    try:
        _run(executor, Tray(TASKS[:2], ends=True))
    except Ended:
        return
    except Exception as error:
        raise AssertionError(f"settle raised {Ended.__name__}, but out of run came {error!r:.200}") from error
    raise AssertionError("settle raised to end the run, but the executor kept it to itself")


CHECKS = (
    Check("every task is run and settled once", _once),
    Check("tasks that come up later are waited for", _later),
    Check("one thread at a time uses the source", _alone),
    Check("a dry source ends it", _dry),
    Check("what settle raises comes through", _raises),
)
