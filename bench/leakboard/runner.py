"""Plan x executor -> store. One writer; each finished task is committed at once, so the same call again is resume."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from leakboard.artifacts import Artifacts
from leakboard.executors import Executor, make_executor
from leakboard.grid import Grid
from leakboard.ledger import Ledger, Stopped
from leakboard.planning import Plan, make_plan
from leakboard.population import Populations
from leakboard.provenance import provenance
from leakboard.store import RunInfo, Store
from leakboard.store.engines import locate

ROUNDS = 3
"""Times that the grid is planned in one run; more than once only when artifacts turn out to be damaged."""


@dataclass(frozen=True)
class Report:
    """What a run did.

    Attributes:
        plan: what was to be done when it began.
        statuses: last status of the grid's cells, by key.
        nfe: denoiser evaluations paid.
        stopped: why the run ended early, or an empty string.
    """

    plan: Plan
    statuses: Mapping[str, str]
    nfe: int = 0
    stopped: str = ""

    @property
    def counts(self) -> Counter[str]:
        """Cells by status; ``missing`` for those never reached."""
        return Counter(self.statuses.get(cell.key, "missing") for cell in self.plan.cells)

    @property
    def ok(self) -> bool:
        """Whether every cell has a result or a recorded skip."""
        return not self.stopped and set(self.counts) <= {"done", "skipped"}


def plan(grid: Grid, store: Store | None = None) -> Plan:
    """What ``grid`` still needs, given what a store already holds."""
    artifacts = Artifacts(store.artifacts if store else Path("leakboard-artifacts"))
    return _plan(grid, store.latest_status() if store else {}, artifacts, Populations(artifacts))


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
) -> Report:
    """Run whatever of a grid has no result yet.

    Args:
        grid: the grid.
        store: a store, or where to open or make one: a file path or an SQLAlchemy URL.
        artifacts: folder of payload files; by default the one the store remembers.
        executor: ``serial`` (this process) or ``processes``.
        workers: worker processes, 0 for one a core.
        threads: torch threads a worker, 0 for an equal share of the cores.
        progress: show a bar; by default when standard error is a terminal.
        command: the command line to write down.

    Raises:
        LeakboardError: a victim contradicts its dataset, the store cannot be opened, the disk is full.
    """
    chosen = make_executor(executor, workers, threads)
    populations = Populations()
    if not isinstance(store, Store):
        place = locate(store)
        if isinstance(place, Path) and not place.exists():
            # Nothing is written for a grid that contradicts itself.
            populations.check(grid.cells)
        store = Store(store, artifacts=Path(artifacts) if artifacts else None)
    populations.artifacts = Artifacts(store.artifacts)
    first = current = _plan(grid, store.latest_status(), populations.artifacts, populations)
    if not (first.todo or first.skipped):
        return Report(first, store.latest_status())
    populations.check(first.todo)
    info = RunInfo(grid_name=grid.name, grid_text=grid.text, command=command, provenance=provenance())
    run_id = store.begin_run(info)
    nfe, stopped, status = 0, "", "interrupted"
    try:
        for _ in range(ROUNDS):
            ledger = _execute(current, store, run_id, populations, chosen, progress)
            nfe += ledger.nfe
            if not ledger.damaged:
                break
            current = _plan(grid, store.latest_status(), populations.artifacts, populations)
        status = "done"
    except Stopped as reason:
        stopped, status = str(reason), "failed"
    finally:
        store.end_run(run_id, status)  # type: ignore[arg-type]
    return Report(first, store.latest_status(), nfe, stopped)


def _plan(grid: Grid, statuses: Mapping[str, str], artifacts: Artifacts, populations: Populations) -> Plan:
    return make_plan(grid, statuses, artifacts, lambda dataset: populations.all(dataset).chosen(grid.run.samples))


def _execute(
    plan: Plan, store: Store, run_id: int, populations: Populations, executor: Executor, progress: bool | None
) -> Ledger:
    from tqdm import tqdm

    quiet = not sys.stderr.isatty() if progress is None else not progress
    with tqdm(total=len(plan.observe) + len(plan.score), unit="task", disable=quiet, smoothing=0.1) as bar:
        ledger = Ledger(
            store,
            run_id,
            plan,
            Artifacts(store.artifacts),
            say=lambda line: tqdm.write(line, file=sys.stderr),
            bar=bar,
        )
        executor(ledger.open(populations), ledger.settle)
    return ledger
