"""Turns what came of tasks into rows of the store, and knows which scoring tasks have become ready."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from leakboard.artifacts import Artifacts
from leakboard.cells import Cell
from leakboard.components import Bound
from leakboard.errors import LeakboardError
from leakboard.planning import Plan
from leakboard.population import Populations
from leakboard.store import AttemptRow, CellRow, ComponentRow, ResultRow, Store, TaskRow
from leakboard.tasks import Answer, ObserveTask, Outcome, ScoreTask, Task, split

if TYPE_CHECKING:
    from tqdm import tqdm

AXES = ("dataset", "victim", "defense", "observer", "distance", "classifier")
ALIKE = 3
"""Observation tasks that must fail alike before anything succeeded, to end the run early."""

Say = Callable[[str], None]


class Stopped(Exception):
    """The run ends early, for the reason given."""


@dataclass
class Ledger:
    """The bookkeeping of one run. Every call of `settle` commits one transaction.

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
    say: Say
    bar: tqdm[Any]
    nfe: int = 0
    damaged: set[str] = field(default_factory=set)
    _cells: dict[str, Cell] = field(default_factory=dict)
    _waiting: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _scoring: list[ScoreTask] = field(default_factory=list)
    _missing: list[set[str]] = field(default_factory=list)
    _said: Counter[str] = field(default_factory=Counter)
    _alike: list[str] = field(default_factory=list)
    _succeeded: bool = False

    def open(self, populations: Populations) -> list[Task]:
        """Write down cells, components and skips, and return the tasks that can run now."""
        self._cells = {cell.key: cell for cell in self.plan.cells}
        fresh = [cell for cell in self.plan.cells if cell.key not in self.plan.done]
        skips = [AttemptRow(cell_key=key, status="skipped", error=why) for key, why in self.plan.skipped.items()]
        self.store.record(
            self.run_id,
            components=_components(fresh, populations),
            cells=[_cell_row(cell) for cell in fresh],
            attempts=skips,
            artifacts=populations.save(self.artifacts),
        )
        coming = {wanted.key for task in self.plan.observe for wanted in task.wanted}
        ready: list[Task] = []
        for task in self.plan.score:
            missing = set(task.needs & coming)
            if not missing:
                ready.append(task)
                continue
            for key in missing:
                self._waiting[key].append(len(self._scoring))
            self._scoring.append(task)
            self._missing.append(missing)
        return [*ready, *self.plan.observe]

    def settle(self, task: Task, outcome: Outcome) -> list[Task]:
        """Commit what came of a task and return the tasks that became ready.

        Raises:
            LeakboardError: the machine is at fault (disk full).
            Stopped: the first tasks all failed with the same error.
        """
        if outcome.fatal:
            raise LeakboardError(outcome.fatal)
        if outcome.died:
            return self._bury(task, outcome)
        for key in outcome.damaged:
            self.say(f"artifact {key[:12]} is missing or damaged: it will be computed again")
            self.artifacts.drop(key)
            self.damaged.add(key)
        self.nfe += outcome.nfe
        bad = [answer for answer in outcome.answers if answer.status != "done"]
        attempts, ready = self._score(outcome) if isinstance(task, ScoreTask) else self._observe(outcome)
        self.store.record(
            self.run_id,
            task=_task_row(task, outcome, bad, self._cells),
            attempts=attempts,
            artifacts=[*outcome.stored, *(row for answer in outcome.answers for row in answer.stored)],
        )
        self.bar.update()
        for answer in bad:
            self._tell(answer, task)
        if isinstance(task, ObserveTask):
            self._watch_start(outcome)
        return ready

    def _score(self, outcome: Outcome) -> tuple[list[AttemptRow], list[Task]]:
        return [_attempt(answer, outcome) for answer in outcome.answers], []

    def _observe(self, outcome: Outcome) -> tuple[list[AttemptRow], list[Task]]:
        """Failed features fail the cells that need them; done ones may complete what a scoring task needs."""
        attempts: list[AttemptRow] = []
        ready: list[Task] = []
        for answer in outcome.answers:
            for index in self._waiting.pop(answer.key, []):
                self._missing[index].discard(answer.key)
                if answer.status != "done":
                    task = self._scoring[index]
                    lost = [cell for cell in task.cells if answer.key in (*cell.calibrate_on, *cell.evaluate_on)]
                    attempts += [_attempt(replace(answer, key=cell.key, seconds=0.0), outcome) for cell in lost]
                    kept = tuple(cell for cell in task.cells if cell not in lost)
                    self._scoring[index] = replace(task, cells=kept)
                task = self._scoring[index]
                if not self._missing[index]:
                    if task.cells:
                        ready.append(task)
                    else:
                        self.bar.update()
        return attempts, ready

    def _bury(self, task: Task, outcome: Outcome) -> list[Task]:
        """A worker died: try the parts of its task apart, until one component alone is to blame."""
        parts = split(task)
        if len(parts) > 1:
            self.say(f"{outcome.died}; running its {len(parts)} parts apart: {task.label}")
            self.bar.total += len(parts) - 1
            return parts
        status = "timeout" if outcome.timed_out else "failed"
        keys = [cell.key for cell in task.cells] if isinstance(task, ScoreTask) else [want.key for want in task.wanted]
        answers = tuple(Answer(key, cast("Any", status), error=outcome.died) for key in keys)
        return self.settle(task, replace(outcome, answers=answers, died=""))

    def _tell(self, answer: Answer, task: Task) -> None:
        """Say each error once, at the moment it first happens."""
        line = f"{answer.status}: {answer.error}"
        self._said[line] += 1
        if self._said[line] == 1:
            self.say(f"{line}  [{task.label}]")

    def _watch_start(self, outcome: Outcome) -> None:
        errors = {answer.error for answer in outcome.answers if answer.status in ("failed", "timeout")}
        everything_failed = len(errors) == 1 and all(answer.status != "done" for answer in outcome.answers)
        self._succeeded = self._succeeded or not everything_failed
        if not self._succeeded:
            self._alike.append(errors.pop())
            if len(self._alike) >= ALIKE and len(set(self._alike)) == 1:
                raise Stopped(f"the first {ALIKE} observation tasks all failed alike: {self._alike[0]}")


def _attempt(answer: Answer, outcome: Outcome) -> AttemptRow:
    done = answer.status == "done"
    return AttemptRow(
        cell_key=answer.key,
        status=answer.status,
        seconds=answer.seconds,
        queries=answer.queries if done else None,
        nfe=answer.nfe if done else None,
        peak_mb=outcome.peak_mb or None,
        error=answer.error,
        traceback=answer.traceback,
        n_calibration=answer.n_calibration,
        n_evaluation=answer.n_evaluation,
        scores_key=answer.scores_key,
        batch_size=outcome.batch,
        results=tuple(
            ResultRow(
                measure=measure.name,
                value=measure.value,
                low=measure.low,
                high=measure.high,
                n_member=measure.n_member,
                n_nonmember=measure.n_nonmember,
                method=measure.method,
                flag=measure.flag,
            )
            for measure in answer.measures
        ),
    )


def _task_row(task: Task, outcome: Outcome, bad: list[Answer], cells: dict[str, Cell]) -> TaskRow:
    observing = isinstance(task, ObserveTask)
    failed = [answer for answer in bad if answer.status != "skipped"]
    return TaskRow(
        kind="observe" if observing else "score",
        label=task.label,
        victim=task.victim_identity if observing else cells[task.cells[0].key].victim.identity,
        dataset=task.dataset_identity,
        status=failed[0].status if failed else "done",
        seconds=outcome.seconds,
        nfe=outcome.nfe,
        samples=task.stop - task.start if observing else 0,
        cells=0 if observing else len(task.cells),
        error=failed[0].error if failed else "",
    )


def _cell_row(cell: Cell) -> CellRow:
    observer = cell.observer.only
    return CellRow(
        key=cell.key,
        **{axis: getattr(cell, axis).identity for axis in AXES},
        attacker=cell.attacker,
        labels=cell.labels,
        seed=cell.seed,
        samples=cell.samples,
        attack=cell.attack,
        role="null" if cell.is_null else "attack",
        access="none" if observer.null else observer.access,
    )


def _components(cells: Iterable[Cell], populations: Populations) -> list[ComponentRow]:
    points: dict[str, Bound] = {}
    for cell in cells:
        points |= {point.identity: point for point in (getattr(cell, axis) for axis in AXES)}
    return [
        ComponentRow(
            kind=point.kind,
            spec=point.spec,
            label=point.label,
            identity=identity,
            info=_facts(point, populations),
        )
        for identity, point in points.items()
    ]


def _facts(point: Bound, populations: Populations) -> dict[str, Any]:
    facts: dict[str, Any] = {"doc": (type(point.chain[0]).__doc__ or "").partition("\n")[0]}
    for link in point.chain:
        facts |= link.facts()
    if point.kind == "observer":
        facts |= {"access": "none" if point.only.null else point.only.access, "space": point.only.space}
    if point.kind == "dataset" and point.identity in populations.known:
        ids, member, notes = populations.known[point.identity]
        facts |= {"members": int(member.sum()), "nonmembers": int((~member).sum()), "notes": list(notes)}
    if point.kind == "victim":
        facts |= {"null": point.only.null}
    return facts
