"""How many workers a run is asked to use: what every executor is told."""

from __future__ import annotations

import os
from dataclasses import dataclass

from leakboard.errors import LeakboardError


@dataclass(frozen=True)
class ExecutorSettings:
    """What an executor is told.

    Attributes:
        workers: tasks that may run at once, at least 1.
        threads: torch threads a task, which ``work`` sets; 0 for as many as torch likes where the task runs.
        device: where victims are opened.
    """

    workers: int
    threads: int
    device: str = "cpu"

    @property
    def share(self) -> int:
        """Threads a worker: those asked for, or an equal share of the cores."""
        return self.threads or max(1, cores() // self.workers)


def executor_settings(workers: int = 0, threads: int = 0, device: str = "cpu") -> ExecutorSettings:
    """What a user asked for, in numbers.

    Args:
        workers: 0 for one a core, or a single one where they would share an accelerator's memory.
        threads: torch threads a worker, or 0.
        device: where victims are opened.

    Raises:
        LeakboardError: a negative number.
    """
    for option, value in (("--workers", workers), ("--threads", threads)):
        if value < 0:
            raise LeakboardError(f"{value} is no number of them", where=option, expected="0 or more")
    return ExecutorSettings(workers or (cores() if device == "cpu" else 1), threads, device)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
