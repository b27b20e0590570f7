"""Scale: what the way to many workers, and the store behind them, cost beside work that only sleeps.

Claims: 1, 2, 8 and 64 workers, each with child processes as a run has them, keep at least 0.9 of what they could do if
nothing lay between two tasks; the store takes at least 500 finished cells a second, on SQLite and on PostgreSQL.

Workers killed in a storm: ``python tests/storm/engines.py``.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import time
from typing import TYPE_CHECKING, Any

import common

from leakboard.runs.clusters import DaskOptions, run_on_dask
from leakboard.store import AttemptRow, CellRow, ComponentRow, ResultRow, RunInfo, Store, TaskRow
from leakboard.workers import ExecutorSettings

if TYPE_CHECKING:
    from pathlib import Path

AXES = ("dataset", "victim", "defense", "observer", "distance", "classifier")
MEASURES = 4


class Naps:
    """A source of tasks that sleep. It notes when each is settled."""

    def __init__(self, tasks: int, seconds: float) -> None:
        self.left, self.seconds = tasks, seconds
        self.ends: list[float] = []

    def take(self) -> float | None:
        """The next nap."""
        self.left -= 1
        return self.seconds if self.left >= 0 else None

    def settle(self, _task: Any, _outcome: Any) -> None:
        """One has ended."""
        self.ends.append(time.perf_counter())


def throughput(workers: int, tasks: int, seconds: float) -> tuple[float, float, float]:
    """The share of the ideal throughput that is left, the seconds that come on top of each task, and processor seconds.

    The last are those of this process, run and scheduler together, for each task: their inverse is the most tasks a
    second that one scheduler can carry, whatever else the machine has to do.

    Counted from when every worker has ended two tasks, so that they have started, to when the first may find no other.
    """
    from distributed import LocalCluster

    hosts = min(workers, 8)
    source = Naps(tasks, seconds)
    with LocalCluster(
        n_workers=hosts,
        threads_per_worker=workers // hosts,
        memory_limit=0,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    ) as cluster:
        options = DaskOptions(address=cluster.scheduler_address)
        begun = time.process_time()
        run_on_dask(source, time.sleep, ExecutorSettings(workers, threads=1, options=options))
        processor = time.process_time() - begun
    first, last = 2 * workers, len(source.ends) - workers - 1
    each = (source.ends[last] - source.ends[first]) / (last - first) * workers
    return seconds / each, each - seconds, processor / tasks


def cells_a_second(place: str | Path, cells: int, together: int) -> tuple[float, float]:
    """Finished cells that a store takes in a second, and in one of the processor, so many in one transaction."""

    def sha(what: object) -> str:
        return hashlib.sha256(f"{what} {time.time_ns()}".encode()).hexdigest()

    store = Store(place, create=True)
    parts = [ComponentRow(kind=axis, spec=axis, label=axis, identity=sha(axis), info={}) for axis in AXES]
    axes: dict[str, Any] = {part.kind: part.identity for part in parts}
    rows = [
        CellRow(key=sha(number), **axes, seed=number, members=256, nonmembers=256, access="gray")
        for number in range(cells)
    ]
    numbers = tuple(
        ResultRow(measure=f"measure_{each}", value=0.75, low=0.7, high=0.8, n_member=128, n_nonmember=128)
        for each in range(MEASURES)
    )
    run = store.begin_run(RunInfo(grid_name="scale", grid_text="", command="", provenance={}))
    store.record(run, components=parts, cells=rows)
    begun, busy = time.perf_counter(), time.process_time()
    for start in range(0, cells, together):
        done = rows[start : start + together]
        store.record(
            run,
            task=TaskRow(
                kind="score", label="scale", victim=axes["victim"], dataset=axes["dataset"], status="done", seconds=0.1
            ),
            attempts=[AttemptRow(cell_key=row.key, status="done", results=numbers) for row in done],
        )
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    store.end_run(run, "done")
    return cells / seconds, cells / busy


def main() -> None:
    """Measure and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 8, 64])
    parser.add_argument("--tasks", type=int, default=10_000, help="of the most workers; fewer have as many each")
    parser.add_argument("--seconds", type=float, default=0.5, help="that a task sleeps")
    parser.add_argument("--cells", type=int, default=2_000)
    parser.add_argument("--postgresql", metavar="URL", help="an empty database, to be filled")
    given = parser.parse_args()
    for workers in given.workers:
        tasks = given.tasks * workers // max(given.workers)
        share, more, processor = throughput(workers, tasks, given.seconds)
        print(
            f"workers {workers:3}  {share:.3f} x ideal throughput, {1e3 * more:.1f} ms on top of a task of "
            f"{given.seconds:g} s, {1e3 * processor:.1f} ms of processor for run and scheduler, {tasks} tasks",
            flush=True,
        )
    with common.new_store() as file:
        places: dict[str, str | Path] = {"SQLite": file}
        if given.postgresql:
            places["PostgreSQL"] = given.postgresql
        for name, place in places.items():
            for together in (8, 1):
                rate, busy = cells_a_second(place, given.cells, together)
                print(
                    f"store    {name}: {rate:,.0f} finished cells a second, {busy:,.0f} in one of the processor, "
                    f"{together} a task",
                    flush=True,
                )


if __name__ == "__main__":
    main()
