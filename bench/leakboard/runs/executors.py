"""Where tasks run: in this process, or in worker processes that may hang, crash or be killed without harm."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from leakboard.errors import LeakboardError, nearest
from leakboard.tasks.task import TaskOutcome
from leakboard.tasks.worker import forget, serve, work

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import SpawnContext

    from leakboard.tasks.task import Task

EXECUTORS = ("serial", "processes")
ENVIRONMENT = {
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "0",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
}
"""What workers are started with: threads that wait without spinning, and memory that is not handed back to the system
between two layers of a network only to be asked for again."""


class Source(Protocol):
    """Where tasks come from and what came of them goes to."""

    def take(self) -> Task | None:
        """A task that can run now, or None; there may be more after the next `settle`."""
        ...

    def settle(self, task: Task, outcome: TaskOutcome) -> None:
        """Take in what came of a task; whatever it raises ends the run."""
        ...


class Executor(Protocol):
    """Runs tasks until their source is dry."""

    def __call__(self, source: Source) -> None:
        """Run everything."""
        ...


def make_executor(name: str, workers: int, threads: int, device: str = "cpu") -> Executor:
    """The executor of a name.

    Args:
        name: ``serial`` or ``processes``.
        workers: worker processes; 0 for one a core, or a single one where they would share an accelerator's memory.
        threads: torch threads a worker, 0 for an equal share of the cores.
        device: where victims are opened.

    Raises:
        LeakboardError: unknown name, or a negative number.
    """
    for option, value in (("--workers", workers), ("--threads", threads)):
        if value < 0:
            raise LeakboardError(f"{value} is no number of them", where=option, expected="0 or more")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if name == "serial":
        return Serial(threads)
    if name == "processes":
        count = workers or (cores if device == "cpu" else 1)
        return Processes(count, threads or max(1, cores // count))
    raise LeakboardError(
        f"unknown executor {name!r}",
        where="--executor",
        expected=" or ".join(EXECUTORS),
        nearest=nearest(name, EXECUTORS),
        next="leakboard run --help",
    )


class Serial:
    """Runs tasks one after the other in this process: simple, and easy to debug."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def __call__(self, source: Source) -> None:
        """Run everything."""
        try:
            while (task := source.take()) is not None:
                source.settle(task, work(task, self.threads))
        finally:
            forget()


class Processes:
    """Runs tasks in worker processes, started as they are needed; one that dies costs only the task it held."""

    def __init__(self, workers: int, threads: int) -> None:
        self.workers, self.threads = workers, threads

    def __call__(self, source: Source) -> None:
        """Run everything. However it ends, no worker is left behind."""
        workers: list[_Worker] = []
        with tempfile.TemporaryDirectory(prefix="leakboard-", ignore_cleanup_errors=True) as folder:
            try:
                while self._hand_out(source, workers, Path(folder)):
                    for worker in _reporting(workers):
                        task, outcome = worker.collect()
                        if outcome.died:
                            workers.remove(worker)
                        source.settle(task, outcome)
                for worker in workers:
                    worker.dismiss()
            finally:
                for worker in workers:
                    worker.kill()

    def _hand_out(self, source: Source, workers: list[_Worker], folder: Path) -> bool:
        """Give every idle worker a task while there are any. Tells whether anybody has something to do."""
        while sum(worker.task is not None for worker in workers) < self.workers:
            task = source.take()
            if task is None:
                break
            worker = next((worker for worker in workers if worker.task is None), None)
            if worker is None:
                worker = _Worker(self.threads, folder)
                workers.append(worker)
            worker.give(task)
        return any(worker.task is not None for worker in workers)


class _Worker:
    """One process, seen from outside."""

    def __init__(self, threads: int, folder: Path) -> None:
        handle, note = tempfile.mkstemp(dir=folder)
        os.close(handle)
        self.task: Task | None = None
        self._note = Path(note)
        context: SpawnContext = multiprocessing.get_context("spawn")
        self.connection, inner = context.Pipe()
        self.process = context.Process(target=serve, args=(inner, threads, self._note))
        with _surroundings(OMP_NUM_THREADS=str(threads), **ENVIRONMENT):
            self.process.start()
        inner.close()

    def give(self, task: Task) -> None:
        """Hand over a task."""
        self.task = task
        with contextlib.suppress(OSError):  # a worker that died while it was idle is found out by `collect`
            self.connection.send(task)

    def collect(self) -> tuple[Task, TaskOutcome]:
        """The task, and what came of it or of the worker."""
        task, self.task = self.task, None
        assert task is not None
        with contextlib.suppress(EOFError, OSError):
            if self.connection.poll():
                outcome: TaskOutcome = self.connection.recv()
                return task, outcome
        self.process.join(timeout=1)
        self.kill()
        trace = self._note.read_text(encoding="utf-8", errors="replace")
        if trace:
            return task, TaskOutcome(died=f"took longer than {task.settings.timeout:g} s", trace=trace)
        return task, TaskOutcome(died=f"the worker process died ({_cause(self.process.exitcode)})")

    def dismiss(self) -> None:
        """Let an idle worker end by itself."""
        self.connection.close()
        self.process.join(timeout=5)

    def kill(self) -> None:
        """End the process, whatever it does. Files are written in one step, so it can do no harm."""
        self.connection.close()
        self.process.kill()
        self.process.join()


def _reporting(workers: list[_Worker]) -> list[_Worker]:
    """The busy workers that have finished their task or died, as soon as there are any."""
    busy = [worker for worker in workers if worker.task is not None]
    # A dead worker's own child may hold its end of the connection open: the process is watched as well.
    ready = wait([handle for worker in busy for handle in (worker.connection, worker.process.sentinel)])
    return [worker for worker in busy if worker.connection in ready or worker.process.sentinel in ready]


def _cause(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    if code == -signal.SIGKILL:  # where there is no such signal, there are no negative codes
        return "SIGKILL, perhaps because memory ran out"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


@contextlib.contextmanager
def _surroundings(**variables: str) -> Iterator[None]:
    """What a process about to be started inherits, and what so holds before any of its own code runs.

    Libraries read the variables when they are loaded. An interrupt from the keyboard is held back: it goes to the
    worker as well, but is the parent's to act on.
    """
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    resource_tracker.ensure_running()  # which would lift the mask if it were started under it
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
