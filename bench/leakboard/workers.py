"""How many workers a run is asked to use: what every executor is told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from leakboard.errors import LeakboardError


@dataclass(frozen=True)
class ExecutorSettings:
    """What an executor is told.

    Attributes:
        workers: tasks that may run at once on this machine, at least 1.
        threads: torch threads a task, which ``work`` sets; 0 for as many as torch likes where the task runs.
        device: where victims are opened.
        asked: tasks that the user lets run at once; 0 if ``workers`` is what this machine suggests.
        options: the parameters that the executor was called with, of the class that it names; None if it has none.
        plugins: files of plugins that tasks need.
    """

    workers: int
    threads: int
    device: str = "cpu"
    asked: int = 0
    options: Any = None
    plugins: tuple[str, ...] = ()

    @property
    def share(self) -> int:
        """Threads a worker: those asked for, or an equal share of the cores."""
        return self.threads or max(1, cores() // self.workers)

    @property
    def gpus(self) -> int:
        """GPUs of a machine that its workers share, one each; 0 where nobody said."""
        return int(getattr(self.options, "gpus", 0))


def executor_settings(
    workers: int = 0, threads: int = 0, device: str = "cpu", options: Any = None, plugins: tuple[str, ...] = ()
) -> ExecutorSettings:
    """What a user asked for, in numbers.

    Args:
        workers: 0 for one a GPU that the options tell of, one a core, or a single one where they would share an
            accelerator's memory.
        threads: torch threads a worker, or 0.
        device: where victims are opened.
        options: the parameters of the executor.
        plugins: files of plugins that tasks need.

    Raises:
        LeakboardError: a negative number, or GPUs that the device does not mean.
    """
    for option, value in (("--workers", workers), ("--threads", threads)):
        if value < 0:
            raise LeakboardError(f"{value} is no number of them", where=option, expected="0 or more")
    gpus = int(getattr(options, "gpus", 0))
    if gpus and device != "cuda":
        raise LeakboardError(
            f"gpus={gpus} gives each worker a GPU of its own, but victims are opened on {device}",
            where="--executor",
            expected="the device cuda, which is another one in each worker",
            next="--device cuda",
        )
    suggested = gpus or (cores() if device == "cpu" else 1)
    return ExecutorSettings(workers or suggested, threads, device, workers, options, plugins)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
