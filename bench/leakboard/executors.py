"""Where tasks run: in this process, or in worker processes that may hang, crash or be killed without harm."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Protocol

from leakboard.errors import LeakboardError, nearest
from leakboard.tasks import Outcome, Task
from leakboard.limits import watch
from leakboard.worker import prepare, work

Handle = Callable[[Task, Outcome], Iterable[Task]]
"""Takes what came of a task; returns the tasks that became ready through it."""

EXECUTORS = ("serial", "processes")


class Executor(Protocol):
    """Runs tasks, and the tasks that they make ready, until none is left."""

    def __call__(self, tasks: Iterable[Task], handle: Handle) -> None:
        """Run everything; whatever ``handle`` raises ends the run."""
        ...


def make_executor(name: str, workers: int, threads: int) -> Executor:
    """The executor of a name.

    Args:
        name: ``serial`` or ``processes``.
        workers: worker processes, 0 for one a core.
        threads: torch threads a worker, 0 for an equal share of the cores.

    Raises:
        LeakboardError: unknown name.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if name == "serial":
        return Serial(threads)
    if name == "processes":
        count = workers or cores
        return Processes(count, threads or max(1, cores // count))
    raise LeakboardError(
        f"unknown executor {name!r}", where="--executor", expected=" or ".join(EXECUTORS), nearest=nearest(name, EXECUTORS)
    )


class Serial:
    """Runs tasks one after the other in this process: simple, and easy to debug."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def __call__(self, tasks: Iterable[Task], handle: Handle) -> None:
        """Run everything; tasks that became ready go first."""
        if self.threads:
            import torch

            torch.set_num_threads(self.threads)
        queue = deque(tasks)
        while queue:
            task = queue.popleft()
            queue.extendleft(reversed(list(handle(task, work(task)))))


class Processes:
    """Runs tasks in worker processes; one that dies costs only the task it held."""

    def __init__(self, workers: int, threads: int) -> None:
        self.workers, self.threads = workers, threads

    def __call__(self, tasks: Iterable[Task], handle: Handle) -> None:
        """Run everything; tasks that became ready go first, and few are handed out ahead."""
        from pebble import ProcessPool

        queue = deque(tasks)
        running: dict[Future[Outcome], Task] = {}
        context = multiprocessing.get_context("spawn")
        pool = ProcessPool(self.workers, initializer=_start, initargs=[self.threads], context=context)
        try:
            while queue or running:
                while queue and len(running) < 2 * self.workers:
                    task = queue.popleft()
                    running[pool.schedule(work, args=[task])] = task
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    queue.extendleft(reversed(list(handle(task, _outcome(future, task)))))
        finally:
            pool.stop()
            pool.join()


def _start(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch()
    prepare(threads)


def _outcome(future: Future[Outcome], task: Task) -> Outcome:
    from pebble import ProcessExpired

    try:
        return future.result()
    except ProcessExpired as error:
        hung = error.exitcode == 1 and task.settings.timeout > 0
        if hung:
            return Outcome(died=f"took longer than {task.settings.timeout:g} s", timed_out=True)
        return Outcome(died=f"the worker process died (exit code {error.exitcode})")
