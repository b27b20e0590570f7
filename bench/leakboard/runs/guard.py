"""Holds an executor to its promises, whoever wrote it."""

from __future__ import annotations

import functools
from collections import Counter
from typing import TYPE_CHECKING, Any

from leakboard.errors import LeakboardError
from leakboard.faults import blamed
from leakboard.tasks.task import TaskOutcome
from leakboard.tasks.worker import forget, work

if TYPE_CHECKING:
    from leakboard.api import Executor, Source
    from leakboard.workers import ExecutorSettings


def run_tasks(executor: Executor, source: Source, settings: ExecutorSettings, meter: str = "") -> None:
    """Run all tasks of a source on an executor. They write what they pay into the folder ``meter``, if there is one.

    Raises:
        LeakboardError: the executor raised, settled what it should not, or left tasks undone; it is named.
        BaseException: whatever `settle` of the source raised, though the executor may have hidden it.
    """
    guard = _Guard(executor.name, source)
    try:
        with blamed(f"the executor {executor.name}", "run()"):
            executor.run(guard, functools.partial(work, threads=settings.threads, meter=meter), settings)
    except LeakboardError:
        if guard.raised is None:
            raise
    finally:
        forget()
    if guard.raised is not None:
        raise guard.raised
    guard.check_done()


class _Guard:
    """A source between the real one and the executor: it counts what is handed out and what comes back.

    Attributes:
        raised: what the real source raised; nothing more is handed out then.
    """

    def __init__(self, name: str, source: Source) -> None:
        self.raised: BaseException | None = None
        self._name, self._source = name, source
        self._out: Counter[Any] = Counter()

    def take(self) -> Any:
        if self.raised is not None:
            return None
        task = self._source.take()
        if task is not None:
            self._out[task] += 1
        return task

    def settle(self, task: Any, outcome: Any) -> None:
        try:
            self._receive(task, outcome)
            self._source.settle(task, outcome)
        except BaseException as error:
            self.raised = self.raised or error
            raise

    def check_done(self) -> None:
        """Refuse an end while tasks are left.

        Raises:
            LeakboardError: some were taken and never settled, or could still run.
        """
        held = self._out.total()
        if held or self._source.take() is not None:
            left = f"{held} tasks unsettled" if held else "tasks that could run"
            raise LeakboardError(
                f"the executor {self._name} ended and left {left}",
                where="--executor",
                expected="an executor that runs and settles every task",
                next=f"the same command with another executor continues; leakboard check {self._name}",
            )

    def _receive(self, task: Any, outcome: Any) -> None:
        if not self._out[task]:
            raise self._wrong("settled a task that it did not hold")
        if not isinstance(outcome, TaskOutcome):
            raise self._wrong(f"settled a task with {outcome!r:.80}, expected what work(task) gave")
        self._out[task] -= 1

    def _wrong(self, what: str) -> LeakboardError:
        return LeakboardError(
            f"the executor {self._name} {what}", where="--executor", next=f"leakboard check {self._name}"
        )
