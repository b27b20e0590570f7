"""Hands out the tasks of a plan and commits what comes of them to the store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from leakboard.errors import LeakboardError
from leakboard.runs.rows import attempt_row, cell_row, component_rows, task_row
from leakboard.runs.schedule import Schedule, points
from leakboard.store import AttemptRow
from leakboard.tasks.task import ObserveTask, PartOutcome, ScoreTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from tqdm import tqdm

    from leakboard.faults import Status
    from leakboard.runs.plan import Plan
    from leakboard.store import Store
    from leakboard.store.artifacts import Artifacts
    from leakboard.tasks.sample_lists import Populations
    from leakboard.tasks.task import Task, TaskOutcome

ALIKE = 3
"""Observation tasks that must fail alike before anything succeeded, to end the run early.

It goes on all the same while a dataset, victim or query defense is left that none of them was about.
"""


class Stopped(Exception):
    """The run ends early, for the reason given."""


@dataclass
class Ledger:
    """The bookkeeping of one run, and the source of an executor. Every call of `settle` commits one transaction.

    Attributes:
        say: shows one line to the user at once.
        bar: the progress bar; one step a task.
        nfe: denoiser evaluations paid so far.
        damaged: artifacts found damaged; they are gone from the disk and must be made again.
    """

    store: Store
    run_id: int
    plan: Plan
    artifacts: Artifacts
    say: Callable[[str], None]
    bar: tqdm[Any]
    nfe: float = 0
    damaged: set[str] = field(default_factory=set)
    _said: set[str] = field(default_factory=set)
    _alike: list[str] = field(default_factory=list)
    _watching: bool = True
    _tried: set[tuple[str, str]] = field(default_factory=set)
    _again: set[Task] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._schedule = Schedule(self.plan.observe, self.plan.score)

    def open(self, populations: Populations) -> None:
        """Write down cells, components and the cells whose components do not fit."""
        fresh = [cell for cell in self.plan.cells if cell.key not in self.plan.done]
        self.store.record(
            self.run_id,
            components=component_rows(fresh, populations.known),
            cells=[cell_row(cell) for cell in fresh],
            attempts=[AttemptRow(cell_key=key, status="skipped", error=why) for key, why in self.plan.skipped.items()],
            artifacts=populations.save(self.artifacts),
        )

    def take(self) -> Task | None:
        """The next task, or None when there is none that can run now."""
        task = self._schedule.take()
        self.bar.total = self.bar.n + self._schedule.open
        return task

    def settle(self, task: Task, outcome: TaskOutcome) -> None:
        """Commit what came of a task.

        Raises:
            LeakboardError: the machine is at fault (disk full).
            Stopped: the first tasks all failed with the same error, and there is nothing else to try.
        """
        if outcome.fatal:
            raise LeakboardError(outcome.fatal)
        if outcome.died and self._retry(task, outcome):
            return
        if outcome.died:
            outcome = _buried(task, outcome)
        self._schedule.finish()
        self.bar.update()
        if outcome.damaged:
            self._discard(outcome)
            return
        self.nfe += outcome.nfe
        scoring = isinstance(task, ScoreTask)
        self.store.record(
            self.run_id,
            task=task_row(task, outcome),
            attempts=[attempt_row(a.key, a, outcome) for a in outcome.parts] if scoring else self._observed(outcome),
            artifacts=[*outcome.stored, *(row for answer in outcome.parts for row in answer.stored)],
        )
        for answer in outcome.parts:
            if answer.status != "done":
                self._tell(f"{answer.status}: {answer.error}", task)
        if isinstance(task, ObserveTask) and self._watching:
            self._watch_start(task, outcome)

    def _observed(self, outcome: TaskOutcome) -> list[AttemptRow]:
        """Features that failed fail the cells that need them."""
        attempts = []
        for answer in outcome.parts:
            if answer.status == "done":
                self._schedule.arrived(answer.key)
            else:
                attempts += [attempt_row(cell.key, answer, outcome) for cell in self._schedule.failed(answer.key)]
        return attempts

    def _discard(self, outcome: TaskOutcome) -> None:
        for key in outcome.damaged:
            if key not in self.damaged:
                self.say(f"artifact {key[:12]} is missing or damaged: it will be made again")
            self.artifacts.drop(key)
        self.damaged |= {*outcome.damaged}

    def _retry(self, task: Task, outcome: TaskOutcome) -> bool:
        """A worker died: run the parts of its task apart, and a single part once more, for it may not be to blame."""
        hung = bool(outcome.trace)
        alone = len(task.cells if isinstance(task, ScoreTask) else task.wanted) == 1
        if alone and (hung or task in self._again):
            return False
        self._again.add(task)
        parts = self._schedule.retry(task)
        self.say(f"{outcome.died}; trying again{f' in {parts} parts' if parts > 1 else ''}  [{task.label}]")
        return True

    def _tell(self, line: str, task: Task) -> None:
        """Say each error once, at the moment it first happens."""
        if line not in self._said:
            self._said.add(line)
            self.say(f"{line}  [{task.label}]")

    def _watch_start(self, task: ObserveTask, outcome: TaskOutcome) -> None:
        """While all that comes is one and the same failure, try what is most unlike; end when nothing is."""
        self._alike += {answer.error for answer in outcome.parts if answer.status in ("failed", "timeout")}
        done = any(answer.status == "done" for answer in outcome.parts)
        if done or len(set(self._alike)) != 1:
            self._watching = False
            return
        self._tried |= points(task)
        left = self._schedule.vary(self._tried)
        everything = frozenset().union(*map(points, self.plan.observe))
        if left and self._tried >= everything and len(self._alike) >= ALIKE:
            raise Stopped(f"the first {len(self._alike)} observation tasks all failed alike: {self._alike[0]}")


def _buried(task: Task, outcome: TaskOutcome) -> TaskOutcome:
    """The outcome of a task whose only part ended its worker."""
    key = task.wanted[0].key if isinstance(task, ObserveTask) else task.cells[0].key
    status: Status = "timeout" if outcome.trace else "failed"
    return replace(outcome, parts=(PartOutcome(key, status, outcome.died, outcome.trace),))
