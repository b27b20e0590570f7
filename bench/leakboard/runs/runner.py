"""Plan x executor -> store. One writer; each finished task is committed at once, so the same call again is resume."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leakboard.grid.grid import Grid
from leakboard.registry.calls import executor_call
from leakboard.registry.find import shared
from leakboard.runs.alone import alone
from leakboard.runs.guard import run_tasks
from leakboard.runs.missing import missing
from leakboard.runs.preflight import check_device
from leakboard.runs.provenance import provenance
from leakboard.runs.remeasure import remeasure
from leakboard.runs.rows import component_rows
from leakboard.runs.sharing import check_shared, sharing, told
from leakboard.runs.source import PlanSource
from leakboard.runs.stop import Stopped
from leakboard.runs.terminal import terminal
from leakboard.runs.writer import Writer
from leakboard.store import RunInfo, Store
from leakboard.store.artifacts import Artifacts
from leakboard.store.buckets import locate_files
from leakboard.store.engines import locate
from leakboard.store.leases import newest_attempt
from leakboard.tasks.sample_lists import Populations
from leakboard.texts import discreet
from leakboard.workers import executor_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from leakboard.api import Executor
    from leakboard.runs.plan import Plan
    from leakboard.store.buckets import Bucket
    from leakboard.store.leases import Leases
    from leakboard.store.rows import RunStatus
    from leakboard.workers import ExecutorSettings

ROUNDS = 3
"""Times that the grid is planned in one run; more than once only when artifacts turn out to be damaged."""


@dataclass(frozen=True)
class RunReport:
    """What a run did.

    Attributes:
        plan: what was to be done when it began.
        statuses: last status of the grid's cells, by key.
        evaluations: of the denoiser, paid.
        stopped: why the run ended early, or an empty string.
    """

    plan: Plan
    statuses: Mapping[str, str]
    evaluations: float = 0
    stopped: str = ""

    def __repr__(self) -> str:
        """A few lines: the plan may have thousands of cells."""
        counts = ", ".join(f"{count:,} {status}" for status, count in sorted(self.counts.items()))
        lines = [f"RunReport({counts})", f"  {self.evaluations:,.0f} denoiser evaluations paid"]
        return "\n".join([*lines, *([f"  stopped early: {self.stopped}"] if self.stopped else [])])

    @property
    def counts(self) -> Counter[str]:
        """Cells by status; ``missing`` for those never reached."""
        return Counter(self.statuses.get(cell.key, "missing") for cell in self.plan.cells)

    @property
    def ok(self) -> bool:
        """Whether every cell has a result or a recorded skip."""
        return not self.stopped and set(self.counts) <= {"done", "skipped"}


def run(
    grid: Grid | str | Path,
    store: Store | str | Path = "leakboard.db",
    *,
    artifacts: Path | Bucket | str | None = None,
    executor: str = "serial",
    workers: int = 0,
    threads: int = 0,
    progress: bool | None = None,
    command: str = "",
    features: bool = False,
) -> RunReport:
    """Run whatever of a grid has no result yet.

    Args:
        grid: the grid, or the file of one.
        store: a store, or where to open or make one: a file path or an SQLAlchemy URL.
        artifacts: folder of payload files, or a bucket (``s3://bucket/prefix``, ``gs://bucket/prefix``); by default the
            one that the store remembers. A `Store` brings its own.
        executor: ``serial`` (this process), ``processes``, one of those for other machines, or one that a plugin of
            the grid brings; with its parameters, ``processes(gpus=4)``.
        workers: worker processes; 0 for one a core, or a single one on an accelerator.
        threads: torch threads a worker; 0 for an equal share of the cores, or what torch likes in this process.
        progress: show how far it is in a bar (True) or not at all (False); by default in a bar where standard error is
            a terminal, else in a line at the start and then one a minute.
        command: the command line to write down.
        features: also make features again that are missing, pruned say, though every result made of them is there.

    Raises:
        LeakboardError: a victim contradicts its dataset, the store cannot be opened, the device is not there, the
            disk is full, there is no such executor, or it does not do its work.
    """
    grid = grid if isinstance(grid, Grid) else Grid.load(grid)
    chosen, options = executor_call(shared(grid.plugins), executor)
    settings = executor_settings(workers, threads, grid.run.device, options, grid.plugins)
    populations = Populations()
    if not isinstance(store, Store):
        place = locate(store)
        if artifacts:
            Artifacts(locate_files(artifacts)).shelf.check("artifacts")
        if isinstance(place, Path) and not place.exists():
            # Nothing is written for a grid that contradicts itself, or that cannot run here.
            populations.check(grid.cells)
            if chosen.here:
                check_device(grid.run.device)
        store = Store(store, artifacts=artifacts or None, create=True)
    artifacts_of = Artifacts(store.artifacts)
    populations.artifacts = artifacts_of
    seen = newest_attempt(store) if store.shared else 0
    first = missing(grid, store, populations, features=features)
    if first.observe and chosen.here:
        check_device(grid.run.device)
    if first.empty and not populations.unsaved:
        store.renew(component_rows(grid.cells, populations.known))
        return RunReport(first, store.latest_status())
    populations.check(first.todo)
    check_shared(store, artifacts_of)
    if not isinstance(artifacts_of.root, Path):
        artifacts_of.shelf.check("--artifacts")
    with contextlib.nullcontext(False) if store.shared else alone(grid, artifacts_of) as waited:
        if waited:
            populations = Populations(populations.artifacts)
            first = missing(grid, store, populations, features=features)
            if first.empty:
                return RunReport(first, store.latest_status())
        return _run(grid, store, first, populations, chosen, settings, progress=progress, command=command, seen=seen)


def _run(
    grid: Grid,
    store: Store,
    first: Plan,
    populations: Populations,
    chosen: Executor,
    settings: ExecutorSettings,
    *,
    progress: bool | None,
    command: str,
    seen: int,
) -> RunReport:
    """Carry out a plan, and write down how it went."""
    info = RunInfo(
        grid_name=grid.name,
        grid_text=discreet(grid.text),
        command=discreet(command),
        provenance=provenance(),
    )
    session = _Session(grid, store, store.begin_run(info), chosen, settings, progress, seen)
    status: RunStatus = "failed"
    try:
        with sharing(store, info.uid, session.run_id, Artifacts(store.artifacts), seen) as session.leases:
            session.measure_again(first.outdated)
            session.rounds(first, populations)
        status = "done"
    except Stopped as reason:
        session.stopped = str(reason)
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        store.end_run(session.run_id, status)
    return RunReport(first, store.latest_status(), session.evaluations, session.stopped)


@dataclass
class _Session:
    """One run from its beginning to its end.

    Attributes:
        seen: id of the newest attempt when the plan at hand was made, of a store that other runs may share.
        leases: what this run holds there.
        evaluations: of the denoiser, paid so far.
        stopped: why the run ended early, or an empty string.
    """

    grid: Grid
    store: Store
    run_id: int
    executor: Executor
    settings: ExecutorSettings
    progress: bool | None
    seen: int = 0
    leases: Leases | None = None
    evaluations: float = 0
    stopped: str = ""

    def measure_again(self, cells: Collection[str]) -> None:
        """Measure cells again that no other run does."""
        mine = self.leases.claim(cells, "measured again").mine if self.leases else cells
        remeasure(self.grid, self.store, self.run_id, mine)
        if self.leases:
            self.leases.release(mine)

    def rounds(self, plan: Plan, populations: Populations) -> None:
        """Carry out a plan, and plan again when artifacts turned out to be damaged meanwhile."""
        for _ in range(ROUNDS):
            if not self._carry_out(plan, populations):
                return
            # One of the damaged artifacts may be a list of samples, so these are read anew as well.
            populations = Populations(populations.artifacts)
            self.seen = newest_attempt(self.store) if self.leases else 0
            plan = missing(self.grid, self.store, populations)

    def _carry_out(self, plan: Plan, populations: Populations) -> bool:
        """Run the tasks of a plan. Tells whether artifacts turned out to be damaged."""
        with terminal(plan, self.progress) as shown:
            if plan.lost:
                shown.say(f"the scores of {len(plan.lost)} results are missing or damaged: they will be made again")
            if plan.again:
                shown.say(f"{len(plan.again)} files of features are missing or damaged: they will be made again")
            for who, tasks in told(plan, self.store).items():
                shown.say(f"leased elsewhere: {tasks} tasks, by {who}")
            writer = Writer(self.store, self.run_id)
            writer.begin(plan, populations)
            if self.leases:
                self.leases.seen = self.seen
            source = PlanSource(plan, writer, shown, self.leases)
            try:
                run_tasks(self.executor, source, self.settings, shown.meter)
            finally:
                self.evaluations += source.evaluations
        return bool(source.damaged)
