"""Executors whose tasks run in workers of a dask scheduler: one that is there, one of this machine, one in SLURM."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import Field

from leakboard.errors import LeakboardError
from leakboard.runs.agreement import Terms, code_here
from leakboard.runs.engine import Engine, complete, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leakboard.api import Source
    from leakboard.workers import ExecutorSettings


class Cluster(Protocol):
    """A scheduler, and who starts its workers.

    Attributes:
        address: of the scheduler.
        connect: seconds within which the scheduler must answer at first.
        wait: seconds that a run waits for a scheduler or workers that are gone.
        security: certificates of the way there; None for those of dask's own configuration.
        ours: whether the run starts its workers itself.
    """

    address: str
    connect: float
    wait: float
    security: Any
    ours: bool

    def look(self, settled: int) -> None:
        """Called once a second, with the tasks that are done; raises LeakboardError when no worker can come."""
        ...

    def close(self) -> None:
        """End what was started for the run."""
        ...


@dataclass(frozen=True)
class DaskOptions:
    """A dask scheduler that is running.

    Attributes:
        address: HOST:PORT, as ``dask scheduler`` prints it.
        gpus: of each worker, one for each of its threads.
        wait: seconds that the run waits for the scheduler or for workers when they are gone.
    """

    address: str
    gpus: Annotated[int, Field(ge=0)] = 0
    wait: Annotated[float, Field(ge=0)] = 60.0


@dataclass(frozen=True)
class LocalOptions:
    """A dask cluster of this machine.

    Attributes:
        gpus: of this machine, one for each worker.
    """

    gpus: Annotated[int, Field(ge=0)] = 0


class Running:
    """A scheduler that somebody else started."""

    connect, security, ours = 10.0, None, False

    def __init__(self, settings: ExecutorSettings) -> None:
        options: DaskOptions = settings.options
        self.address, self.wait = options.address, options.wait

    def look(self, settled: int) -> None:
        """Others start its workers."""

    def close(self) -> None:
        """It is not ours to end."""


class Local:
    """A scheduler in this process, and one worker process a slot."""

    connect, wait, security, ours = 30.0, 60.0, None, True

    def __init__(self, settings: ExecutorSettings) -> None:
        from distributed import LocalCluster

        self._cluster = LocalCluster(
            n_workers=settings.workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,  # what needs memory are the children, and the system sees to them
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
        self.address: str = self._cluster.scheduler_address

    def look(self, settled: int) -> None:
        """Its workers are started again by their nannies."""

    def close(self) -> None:
        """End scheduler and workers."""
        with contextlib.suppress(Exception):  # they are being killed, and may not answer
            self._cluster.close(timeout=5)


def run_on_dask(source: Source, work: Callable[[Any], Any], settings: ExecutorSettings) -> None:
    """Run tasks in the workers of a scheduler that is running.

    Raises:
        LeakboardError: it is not there, or `leakboard.runs.engine.Engine.run` gives up.
    """
    run_on(Running, source, work, settings, settings.asked, settings.threads)


def run_on_local_cluster(source: Source, work: Callable[[Any], Any], settings: ExecutorSettings) -> None:
    """Run tasks in a cluster that is started on this machine and ends with the run."""
    run_on(Local, source, work, settings, settings.workers, settings.share)


def run_on(
    start: Callable[[ExecutorSettings], Cluster],
    source: Source,
    work: Callable[[Any], Any],
    settings: ExecutorSettings,
    most: int,
    threads: int,
) -> None:
    """Run tasks on a cluster that is started if there are any.

    Args:
        start: the cluster.
        source: of the tasks.
        work: what gives their outcomes.
        settings: of the executor.
        most: tasks at once, or 0 for as many as there are slots.
        threads: torch threads a task, or 0 for an equal share of each machine.

    Raises:
        LeakboardError: the distributed package is missing, or `leakboard.runs.engine.Engine.run` gives up.
    """
    first = source.take()
    if first is None:
        return
    _check_installed()
    with silent(), _seen(first) as seen:
        terms = Terms(
            work=work,
            code=code_here(settings.plugins),
            folder=str(Path.cwd()),
            seen=seen,
            device=settings.device,
            threads=threads,
            gpus=settings.gpus,
        )
        cluster = start(settings)
        try:
            complete(Engine(source, first, pickle.dumps(terms), cluster, most).run())
        finally:
            cluster.close()


@contextlib.contextmanager
def _seen(task: Any) -> Iterator[str]:
    """A file where payload files lie, by which workers tell that they see the same folder."""
    place = getattr(getattr(task, "settings", None), "artifacts", "")
    if not place or "://" in place:
        yield ""
        return
    folder = Path(place).absolute() / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=f"{os.getpid()}-", suffix=".seen", dir=folder) as file:
        yield file.name


def _check_installed() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise LeakboardError(
            "workers on other machines need the distributed package",
            where="--executor",
            next="pip install 'leakboard[dask]'",
        ) from None
