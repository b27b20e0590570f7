"""The tasks of a plan, as an executor takes them, and what becomes of their outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.errors import LeakboardError
from leakboard.runs.retry import Patience, Retries, buried
from leakboard.runs.rows import attempt_row
from leakboard.runs.schedule import TaskQueue
from leakboard.runs.sharing import Sharing
from leakboard.runs.stop import StopRule
from leakboard.tasks.task import ObserveTask, TaskOutcome, keys_of, only

if TYPE_CHECKING:
    from leakboard.runs.plan import Plan
    from leakboard.runs.terminal import Terminal
    from leakboard.runs.writer import Writer
    from leakboard.store import AttemptRow
    from leakboard.store.leases import Leases
    from leakboard.tasks.task import Task


class PlanSource:
    """Hands out the tasks of a plan and passes each outcome to whom it concerns: queue, retries, store, terminal.

    Attributes:
        evaluations: of the denoiser, paid so far.
        damaged: artifacts found damaged; they are gone from the disk and must be made again.
    """

    def __init__(self, plan: Plan, writer: Writer, terminal: Terminal, leases: Leases | None = None) -> None:
        self.evaluations = 0.0
        self.damaged: set[str] = set()
        self._writer, self._terminal = writer, terminal
        self._queue = TaskQueue(plan.observe, plan.score, plan.again)
        self._sharing = Sharing(leases, writer.artifacts, self._queue) if leases else None
        self._running = 0
        self._waited = False
        self._retries, self._patience = Retries(), Patience()
        self._rule = StopRule(plan.observe, self._queue.vary)

    def take(self) -> Task | None:
        """The next task, or None when there is none that can run now."""
        task = self._next()
        while task is not None and (lost := self._patience.lost(task)):
            self._give_up(only(task, lost.keys()), TaskOutcome(tuple(lost.values())))
            kept = only(task, {*keys_of(task)} - lost.keys())
            if keys_of(kept):
                task = kept
                break
            self._queue.finish()
            task = self._next()
        self._terminal.expect(self._queue.open)
        self._running += task is not None
        return task

    def _next(self) -> Task | None:
        """The next task that is this run's. While others hold all that is left, and nothing runs here, it waits."""
        sharing = self._sharing
        if sharing is None:
            return self._queue.take()
        while True:
            sharing.look()
            task = self._queue.take()
            if task is not None:
                if mine := sharing.claim(task):
                    return mine
            elif self._running or not sharing.aside:
                return None
            else:
                if not self._waited:
                    count = len(sharing.aside)
                    self._terminal.say(f"leased elsewhere: {count} tasks; waiting for what becomes of them")
                self._waited = True
                sharing.wait()

    def _give_up(self, task: Task, outcome: TaskOutcome) -> None:
        """Write down what is not tried."""
        self._writer.write(task, outcome, self._attempts(task, outcome))
        for part in outcome.parts:
            self._terminal.say_once(f"{part.status}: {part.error}", task.label)

    def settle(self, task: Task, outcome: TaskOutcome) -> None:
        """Take in what came of a task.

        Raises:
            LeakboardError: the machine is at fault (disk full).
            Stopped: the first tasks all failed with the same error, and there is nothing else to try.
        """
        self._running -= 1
        if outcome.fatal:
            raise LeakboardError(outcome.fatal)
        self._patience.note(task, outcome)
        if outcome.died:
            if self._tried_again(task, outcome):
                return
            outcome = buried(task, outcome)
        self._queue.finish()
        self._terminal.step(task, outcome.evaluations)
        released = self._sharing.done(task) if self._sharing else ()
        if outcome.damaged:
            self._discard(outcome.damaged)
            if self._sharing:
                self._sharing.let_go(released)
            return
        self.evaluations += outcome.evaluations
        self._writer.write(task, outcome, self._attempts(task, outcome), released)
        for line in outcome.changed:
            self._terminal.say_once(f"changed for all that come after it in its process: {line}", task.label)
        for part in outcome.parts:
            if part.status != "done":
                self._terminal.say_once(f"{part.status}: {part.error}", task.label)
        if isinstance(task, ObserveTask):
            self._rule.judge(task, outcome)

    def _tried_again(self, task: Task, outcome: TaskOutcome) -> bool:
        """Whether a task whose worker died is given out once more, whole or in parts."""
        if self._retries.whole(task, outcome):
            self._queue.again(task)
            self._terminal.say(f"{outcome.died}; it goes to another one  [{task.label}]")
            return True
        if self._retries.allow(task, outcome):
            self._put_back(task, outcome.died)
            return True
        return False

    def _attempts(self, task: Task, outcome: TaskOutcome) -> list[AttemptRow]:
        """The cells that an outcome decides."""
        if isinstance(task, ObserveTask):
            return self._observed(outcome)
        return [attempt_row(part.key, part, outcome) for part in outcome.parts]

    def _observed(self, outcome: TaskOutcome) -> list[AttemptRow]:
        """Features decide no cell, unless they failed: then they fail the cells that need them."""
        attempts = []
        for part in outcome.parts:
            if part.status == "done":
                self._queue.arrived(part.key)
            else:
                attempts += [attempt_row(cell.key, part, outcome) for cell in self._queue.failed(part.key)]
        return attempts

    def _put_back(self, task: Task, died: str) -> None:
        parts = self._queue.retry(task)
        if self._sharing:
            self._sharing.split(task, parts)
        self._terminal.say(f"{died}; trying again{f' in {parts} parts' if parts > 1 else ''}  [{task.label}]")

    def _discard(self, keys: tuple[str, ...]) -> None:
        """Drop damaged artifacts: the next plan of the run makes them again, and what needs them."""
        for key in keys:
            if key not in self.damaged:
                self._terminal.say(f"artifact {key[:12]} is missing or damaged: it will be made again")
        self._writer.drop(keys)
        self.damaged |= {*keys}
