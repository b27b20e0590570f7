"""A third party's executor: tasks run in a pool of processes from Python's own library."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import leakboard
from leakboard.api import Executor

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakboard.api import Source


def run_in_pool(source: Source, work: Callable[[Any], Any], settings: Any) -> None:
    """Keep every process of the pool busy while there are tasks, and settle each as it comes back."""
    running: dict[Future[Any], Any] = {}
    spawn = multiprocessing.get_context("spawn")  # threads of torch do not survive a fork
    with ProcessPoolExecutor(settings.workers, spawn) as pool:
        while True:
            while len(running) < settings.workers and (task := source.take()) is not None:
                running[pool.submit(work, task)] = task
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                source.settle(running.pop(done), done.result())


@leakboard.hookimpl
def leakboard_executors() -> list[Executor]:
    return [Executor("pool", run_in_pool, "a process pool of concurrent.futures; a dead worker ends the run")]
