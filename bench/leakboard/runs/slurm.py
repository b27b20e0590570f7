"""Workers that a SLURM cluster starts: jobs sent off by submitit, each a worker of a dask scheduler in this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from leakboard.errors import LeakboardError
from leakboard.runs.clusters import run_on
from leakboard.texts import cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakboard.api import Source
    from leakboard.workers import ExecutorSettings

EVERY = 10.0
"""Seconds between two looks at jobs."""
BARREN = 3
"""Jobs in a row, for each that was asked for, that may end before a task comes to an end."""
ORPHANED = 60
"""Seconds after which a job ends that finds no scheduler: its run was killed."""


@dataclass(frozen=True)
class SlurmOptions:
    """Jobs of a SLURM cluster.

    Attributes:
        jobs: how many run at once; one that ends while there is work is replaced.
        workers: tasks that a job runs at once; with ``gpus``, one a GPU.
        gpus: of a job.
        cpus: cores for each task, and its torch threads.
        memory: of a job, as SLURM spells it, ``'64G'``; by default what the cluster gives.
        minutes: after which SLURM ends a job. Tasks that it held then go to another one.
        partition: of the cluster; by default the cluster's own.
        more: other options of ``sbatch``, ``('account=lab', 'qos=low')``.
        host: name or address of this machine as jobs see it; by default the address of its way out.
        folder: for the files of jobs, which they must see too.
        wait: seconds that the run waits for a job to start.
        cluster: ``'local'`` starts the jobs as processes of this machine, to try without SLURM.
    """

    jobs: Annotated[int, Field(ge=1)] = 1
    workers: Annotated[int, Field(ge=1)] = 1
    gpus: Annotated[int, Field(ge=0)] = 0
    cpus: Annotated[int, Field(ge=1)] = 1
    memory: str = ""
    minutes: Annotated[int, Field(ge=1)] = 720
    partition: str = ""
    more: tuple[str, ...] = ()
    host: str = ""
    folder: str = "leakboard-jobs"
    wait: Annotated[float, Field(ge=0)] = 86400.0
    cluster: Literal["slurm", "local"] = "slurm"

    @property
    def slots(self) -> int:
        """Tasks that a job runs at once."""
        return self.gpus or self.workers


def run_on_slurm(source: Source, work: Callable[[Any], Any], settings: ExecutorSettings) -> None:
    """Run tasks in jobs of a SLURM cluster, which end with the run.

    Raises:
        LeakboardError: there is no such cluster, its jobs end before they do anything, or
            `leakboard.runs.engine.Engine.run` gives up.
    """
    run_on(Slurm, source, work, settings, settings.asked, settings.threads or settings.options.cpus)


class Slurm:
    """A scheduler in this process, and jobs that are its workers. What they say to each other is encrypted."""

    connect, ours = 30.0, True

    def __init__(self, settings: ExecutorSettings) -> None:
        self._options: SlurmOptions = settings.options
        self.wait = self._options.wait
        self._jobs: list[Any] = []
        self._ended, self._settled, self._looked = 0, 0, time.monotonic()
        base = Path(self._options.folder)
        base.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="run-", dir=base)).absolute()  # of this user alone
        self._executor = self._made_executor()
        self._cluster = self._scheduler()
        self.address: str = self._cluster.scheduler_address
        try:
            for _ in range(self._options.jobs):
                self._submit()
        except BaseException:
            self.close()
            raise

    def _made_executor(self) -> Any:
        try:
            import submitit
        except ImportError:
            raise LeakboardError(
                "jobs of SLURM need the submitit package", where="--executor", next="pip install 'leakboard[slurm]'"
            ) from None
        options = self._options
        if options.cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
            raise LeakboardError(
                "this machine has no SLURM: there is no program sbatch",
                where="--executor",
                expected="a machine from which jobs are sent off",
                next="--executor processes, or slurm(cluster='local', ...) to try it here",
            )
        executor = submitit.AutoExecutor(self._folder, cluster=options.cluster)
        executor.update_parameters(
            name="leakboard",
            timeout_min=options.minutes,
            nodes=1,
            tasks_per_node=1,
            cpus_per_task=options.cpus * options.slots,
            gpus_per_node=options.gpus or None,
            slurm_mem=options.memory or None,
            slurm_partition=options.partition or None,
            slurm_additional_parameters=dict(each.split("=", 1) for each in options.more) or None,
        )
        return executor

    def _scheduler(self) -> Any:
        from distributed import LocalCluster
        from distributed.security import Security
        from distributed.utils import get_ip

        try:
            self.security = Security.temporary()
        except ImportError:
            raise LeakboardError(
                "the way to jobs is encrypted, which needs the cryptography package",
                where="--executor",
                next="pip install cryptography",
            ) from None
        host = "127.0.0.1" if self._options.cluster == "local" else self._options.host or get_ip()
        return LocalCluster(
            n_workers=0,
            host=host,
            protocol="tls",
            security=self.security,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )

    def _submit(self) -> None:
        from submitit.core.utils import FailedJobError

        try:
            self._jobs.append(self._executor.submit(live, self.address, self.security, self._options.slots))
        except (FailedJobError, OSError) as error:
            raise LeakboardError(
                f"SLURM takes no job: {error}", where="--executor", next="sinfo; leakboard show slurm"
            ) from None

    def look(self, settled: int) -> None:
        """Replace jobs that have ended.

        Raises:
            LeakboardError: one after the other ends before a task does.
        """
        if time.monotonic() - self._looked < EVERY:
            return
        self._looked = time.monotonic()
        if settled > self._settled:
            self._ended, self._settled = 0, settled
        for job in [job for job in self._jobs if job.done()]:
            self._jobs.remove(job)
            self._ended += 1
            if self._ended >= BARREN * self._options.jobs:
                raise LeakboardError(
                    f"{self._ended} jobs ended before any task did: {cut(job.stderr() or 'it wrote nothing', 1000)}",
                    where=f"--executor, job {job.job_id}",
                    expected="jobs that run for as long as tasks take",
                    next=f"what jobs wrote is in {self._folder}; leakboard show slurm",
                )
            self._submit()

    def close(self) -> None:
        """End scheduler and jobs."""
        with contextlib.suppress(Exception):  # workers that are being ended may not answer
            self._cluster.close(timeout=5)
        if self._options.cluster == "slurm":
            for job in self._jobs:
                job.cancel(check=False)
        else:  # which end with their scheduler
            end = time.monotonic() + 10
            while time.monotonic() < end and not all(job.done() for job in self._jobs):
                time.sleep(0.05)
        if not self._ended:
            shutil.rmtree(self._folder, ignore_errors=True)


def live(address: str, security: Any, slots: int) -> None:
    """The life of a job: a worker of a scheduler, until that is gone."""
    from distributed import Worker

    async def worker() -> None:
        name = f"job-{os.environ.get('SLURM_JOB_ID', os.getpid())}"
        with tempfile.TemporaryDirectory(prefix="leakboard-") as folder:
            async with Worker(
                address,
                nthreads=slots,
                name=name,
                security=security,
                memory_limit=0,
                death_timeout=ORPHANED,
                local_directory=folder,
            ) as living:
                await living.finished()

    asyncio.run(worker())
