"""The executors that come with the harness: this process, worker processes, and workers on other machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from leakboard.api import Executor
from leakboard.runs.clusters import DaskOptions, LocalOptions, run_on_dask, run_on_local_cluster
from leakboard.runs.processes import run_in_processes
from leakboard.runs.slurm import SlurmOptions, run_on_slurm

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakboard.api import Source
    from leakboard.workers import ExecutorSettings


@dataclass(frozen=True)
class ProcessOptions:
    """Worker processes of this machine.

    Attributes:
        gpus: of this machine, one for each worker process.
    """

    gpus: Annotated[int, Field(ge=0)] = 0


def run_here(source: Source, work: Callable[[Any], Any], _settings: ExecutorSettings) -> None:
    """Run tasks one after the other in this process."""
    while (task := source.take()) is not None:
        source.settle(task, work(task))


SERIAL = Executor("serial", run_here, "one task after the other in this process: simple, and easy to debug")
PROCESSES = Executor(
    "processes",
    run_in_processes,
    "worker processes, which may hang, crash or be killed without harm to the run",
    ProcessOptions,
)
LOCAL_CLUSTER = Executor(
    "local-cluster", run_on_local_cluster, "a dask cluster of this machine, which ends with the run", LocalOptions
)
DASK = Executor(
    "dask",
    run_on_dask,
    "the workers of a dask scheduler, on any machines: dask://HOST:PORT",
    DaskOptions,
    here=False,
)
SLURM = Executor("slurm", run_on_slurm, "workers that a SLURM cluster starts as jobs", SlurmOptions, here=False)
