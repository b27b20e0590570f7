"""Plan x executor -> store. One writer; each finished task is committed at once, so the same call again is resume."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leakboard.keys import scores_key
from leakboard.runs.executors import make_executor
from leakboard.runs.ledger import Ledger, Stopped
from leakboard.runs.plan import Plan, make_plan
from leakboard.runs.preflight import check_device, check_folder
from leakboard.runs.provenance import provenance
from leakboard.runs.remeasure import outdated, remeasure, tells_threshold
from leakboard.store import RunInfo, Store
from leakboard.store.artifacts import Artifacts
from leakboard.store.engines import locate
from leakboard.store.store import default_artifacts
from leakboard.tasks.sample_lists import Populations

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from leakboard.grid.grid import Grid
    from leakboard.registry.bind import Bound
    from leakboard.runs.executors import Executor
    from leakboard.store.rows import RunStatus
    from leakboard.tasks.sample_lists import Population

ROUNDS = 3
"""Times that the grid is planned in one run; more than once only when artifacts turn out to be damaged."""


@dataclass(frozen=True)
class RunReport:
    """What a run did.

    Attributes:
        plan: what was to be done when it began.
        statuses: last status of the grid's cells, by key.
        nfe: denoiser evaluations paid.
        stopped: why the run ended early, or an empty string.
    """

    plan: Plan
    statuses: Mapping[str, str]
    nfe: float = 0
    stopped: str = ""

    @property
    def counts(self) -> Counter[str]:
        """Cells by status; ``missing`` for those never reached."""
        return Counter(self.statuses.get(cell.key, "missing") for cell in self.plan.cells)

    @property
    def ok(self) -> bool:
        """Whether every cell has a result or a recorded skip."""
        return not self.stopped and set(self.counts) <= {"done", "skipped"}


def plan(grid: Grid, store: Store | str | Path | None = None, artifacts: Path | str | None = None) -> Plan:
    """What ``grid`` still needs, given what a store and its folder of payload files already hold.

    Args:
        grid: the grid.
        store: a store, or where one is or would be (nothing is made); None for a store that knows nothing yet.
        artifacts: folder of payload files, as in `run`.

    Raises:
        LeakboardError: a victim contradicts its dataset, a dataset is too small, or the store cannot be read.
    """
    default = Path("leakboard-artifacts")
    if isinstance(store, (str, Path)):
        default, store = default_artifacts(locate(store)), existing(store, artifacts)
    folder = Artifacts(store.artifacts if store else Path(artifacts or default))
    populations = Populations(folder)
    made = _plan(grid, store, populations) if store else make_plan(grid, {}, folder, _samples(grid, populations))
    populations.check(made.todo)
    return made


def existing(place: str | Path, artifacts: Path | str | None = None) -> Store | None:
    """A store for reading, or None where there is no file yet.

    Raises:
        LeakboardError: what is there cannot be read.
    """
    file = locate(place)
    if isinstance(file, Path) and not file.exists():
        return None
    return Store(place, artifacts=Path(artifacts) if artifacts else None, read_only=True)


def run(
    grid: Grid,
    store: Store | str | Path = "leakboard.db",
    *,
    artifacts: Path | str | None = None,
    executor: str = "serial",
    workers: int = 0,
    threads: int = 0,
    progress: bool | None = None,
    command: str = "",
) -> RunReport:
    """Run whatever of a grid has no result yet.

    Args:
        grid: the grid.
        store: a store, or where to open or make one: a file path or an SQLAlchemy URL.
        artifacts: folder of payload files; by default the one the store remembers. A `Store` brings its own.
        executor: ``serial`` (this process) or ``processes``.
        workers: worker processes; 0 for one a core, or a single one on an accelerator.
        threads: torch threads a worker; 0 for an equal share of the cores, or what torch likes in this process.
        progress: show a bar; by default when standard error is a terminal.
        command: the command line to write down.

    Raises:
        LeakboardError: a victim contradicts its dataset, the store cannot be opened, the device is not there, the
            disk is full.
    """
    chosen = make_executor(executor, workers, threads, grid.run.device)
    populations = Populations()
    if not isinstance(store, Store):
        place = locate(store)
        if artifacts:
            check_folder(Path(artifacts), "artifacts")
        if isinstance(place, Path) and not place.exists():
            # Nothing is written for a grid that contradicts itself, or that cannot run here.
            populations.check(grid.cells)
            check_device(grid.run.device)
        store = Store(store, artifacts=Path(artifacts) if artifacts else None)
    populations.artifacts = Artifacts(store.artifacts)
    first = _plan(grid, store, populations)
    if first.observe:
        check_device(grid.run.device)
    if not (first.todo or first.skipped or first.outdated):
        return RunReport(first, store.latest_status())
    populations.check(first.todo)
    info = RunInfo(grid_name=grid.name, grid_text=grid.text, command=command, provenance=provenance())
    session = _Session(grid, store, store.begin_run(info), chosen, progress)
    status: RunStatus = "failed"
    try:
        remeasure(grid, store, session.run_id, first.outdated)
        session.rounds(first, populations)
        status = "done"
    except Stopped as reason:
        session.stopped = str(reason)
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        store.end_run(session.run_id, status)
    return RunReport(first, store.latest_status(), session.nfe, session.stopped)


@dataclass
class _Session:
    """One run from its beginning to its end."""

    grid: Grid
    store: Store
    run_id: int
    executor: Executor
    progress: bool | None
    nfe: float = 0
    stopped: str = ""

    def rounds(self, plan: Plan, populations: Populations) -> None:
        """Carry out a plan, and plan again when artifacts turned out to be damaged meanwhile."""
        for _ in range(ROUNDS):
            if not self._execute(plan, populations).damaged:
                return
            # One of the damaged artifacts may be a list of samples, so these are read anew as well.
            populations = Populations(populations.artifacts)
            plan = _plan(self.grid, self.store, populations)

    def _execute(self, plan: Plan, populations: Populations) -> Ledger:
        from tqdm import tqdm

        def say(line: str) -> None:
            tqdm.write(line, file=sys.stderr)

        if plan.lost:
            say(f"the scores of {len(plan.lost)} results are missing or damaged: they will be made again")
        quiet = not sys.stderr.isatty() if self.progress is None else not self.progress
        with tqdm(unit="task", disable=quiet, smoothing=0.1) as bar:
            ledger = Ledger(self.store, self.run_id, plan, Artifacts(self.store.artifacts), say, bar)
            ledger.open(populations)
            try:
                self.executor(ledger)
            finally:
                self.nfe += ledger.nfe
        return ledger


def _plan(grid: Grid, store: Store, populations: Populations) -> Plan:
    artifacts, old = Artifacts(store.artifacts), outdated(grid, store)
    return make_plan(grid, store.latest_status(), artifacts, _samples(grid, populations), _sound(store, old), old)


def _samples(grid: Grid, populations: Populations) -> Callable[[Bound], Population]:
    return lambda dataset: populations.all(dataset).chosen(grid.run.samples)


def _sound(store: Store, outdated: Collection[str]) -> Callable[[str], bool]:
    """Tells whether the scores of a cell lie on disk as they were written, and can be measured again if they must."""
    digests = store.artifact_digests("scores")
    artifacts = Artifacts(store.artifacts)

    def sound(cell: str) -> bool:
        key = scores_key(cell)
        try:
            whole = hashlib.sha256(artifacts.path(key).read_bytes()).hexdigest() == digests.get(key)
        except OSError:
            return False
        return whole and (cell not in outdated or tells_threshold(artifacts, key))

    return sound
