"""Runs tasks in worker processes that may hang, crash or be killed without harm."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakboard.runs.child import Child, reporting
from leakboard.runs.devices import pins

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakboard.api import Source
    from leakboard.workers import ExecutorSettings


def run_in_processes(source: Source, work: Callable[[Any], Any], settings: ExecutorSettings) -> None:
    """Run tasks in worker processes, started as they are needed; one that dies costs only the task it held.

    However it ends, no worker is left behind.
    """
    workers: list[Child] = []
    with tempfile.TemporaryDirectory(prefix="leakboard-", ignore_cleanup_errors=True) as folder:

        def start() -> Child:
            slot = min({*range(settings.workers)} - {worker.slot for worker in workers})
            return Child(work, settings.share, Path(folder), slot, pins(settings.gpus, slot))

        try:
            while _hand_out(source, workers, settings.workers, start):
                for worker in reporting(workers):
                    task, outcome = worker.collect()
                    if worker.dead:
                        workers.remove(worker)
                    source.settle(task, outcome)
            for worker in workers:
                worker.dismiss()
        finally:
            for worker in workers:
                worker.kill()


def _hand_out(source: Source, workers: list[Child], most: int, start: Callable[[], Child]) -> bool:
    """Give every idle worker a task while there are any. Tells whether anybody has something to do."""
    while sum(worker.task is not None for worker in workers) < most:
        task = source.take()
        if task is None:
            break
        worker = next((worker for worker in workers if worker.task is None), None)
        if worker is None:
            worker = start()
            workers.append(worker)
        worker.give(task)
    return any(worker.task is not None for worker in workers)
