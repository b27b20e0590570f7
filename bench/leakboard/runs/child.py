"""One child process that runs tasks, seen from outside: it may hang, crash or be killed without harm."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from leakboard.tasks.task import TaskOutcome
from leakboard.tasks.time_limits import GRACE, read_note
from leakboard.tasks.worker import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from multiprocessing.context import SpawnContext


ENVIRONMENT = {
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "0",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
    "PYTHONSAFEPATH": "1",
}
"""What workers are started with: threads that wait without spinning, memory that is not handed back to the system
between two layers of a network only to be asked for again, and no working folder in front of the standard library,
where a file that happens to be called ``types.py`` would be run in its place."""
_starting = threading.Lock()
LOOK = 1.0
"""Seconds between two looks at workers that may be held longer than their limit."""


class Child:
    """One process, seen from outside.

    Args:
        run: what gives the outcome of a task, over there.
        threads: of BLAS and of torch.
        folder: where it writes notes about itself.
        slot: its number among its like.
        pins: what it finds in its surroundings beside, which tells it its device.
    """

    def __init__(
        self,
        run: Callable[[Any], Any],
        threads: int,
        folder: Path,
        slot: int = 0,
        pins: Mapping[str, str] | None = None,
    ) -> None:
        handle, note = tempfile.mkstemp(dir=folder)
        os.close(handle)
        self.slot = slot
        self.task: Any = None
        self.dead = False
        self.overdue = False
        self._note = Path(note)
        context: SpawnContext = multiprocessing.get_context("spawn")
        self.connection, inner = context.Pipe()
        self.process = context.Process(target=serve, args=(inner, run, self._note))
        with surroundings(OMP_NUM_THREADS=str(threads), **ENVIRONMENT, **(pins or {})):
            self.process.start()
        inner.close()

    def give(self, task: Any) -> None:
        """Hand over a task."""
        self.task = task
        with contextlib.suppress(OSError):  # a worker that died while it was idle is found out by `collect`
            self.connection.send(task)

    def collect(self) -> tuple[Any, Any]:
        """The task, and what came of it or of the worker."""
        task, self.task = self.task, None
        assert task is not None
        with contextlib.suppress(EOFError, OSError):
            if not self.overdue and self.connection.poll():
                outcome: TaskOutcome = self.connection.recv()
                if (
                    isinstance(outcome, TaskOutcome) and outcome.changed
                ):  # what a component changed there is nothing for the next task to meet
                    self.dead = True
                    self.kill()
                return task, outcome
        self.dead = True
        wait([self.process.sentinel], timeout=0 if self.overdue else 1)
        self.kill()
        hung = read_note(self._note)
        if hung and (hung.trace or self.overdue):
            trace = hung.trace or "It held off the alarm and its own end, and was ended from outside."
            return task, TaskOutcome(died=f"took longer than {task.settings.timeout:g} s", trace=trace, who=hung.who)
        return task, TaskOutcome(died=f"the worker process died ({_cause(self.process.exitcode)})")

    def watch(self) -> None:
        """End the process if a component holds it longer than its limit, and nothing in there can end it."""
        hung = read_note(self._note)
        if hung and time.monotonic() > hung.deadline + GRACE:
            self.overdue = True

    def dismiss(self) -> None:
        """Let an idle worker end by itself."""
        family = _descendants(self.process.pid)
        self.connection.close()
        wait([self.process.sentinel], timeout=5)
        for child in family:
            with contextlib.suppress(psutil.Error):
                child.kill()

    def kill(self) -> None:
        """End the process, whatever it does. Files are written in one step, so it can do no harm."""
        self.connection.close()
        family = _descendants(self.process.pid)
        self.process.kill()
        if hasattr(os, "killpg") and self.process.pid:
            with contextlib.suppress(OSError):  # its group ends with it, unless it died before it had one
                os.killpg(self.process.pid, signal.SIGKILL)
        for child in family:
            with contextlib.suppress(psutil.Error):
                child.kill()
        self.process.join()


def reporting(children: Sequence[Child], gone: Callable[[], bool] = lambda: False) -> list[Child]:
    """Those busy children that have finished their task or died, as soon as there are any.

    ``gone`` is asked now and then whether nobody waits for them any more: then there are none.
    """
    busy = [child for child in children if child.task is not None]
    # A dead one's own child may hold its end of the connection open: the process is watched as well.
    handles = [handle for child in busy for handle in (child.connection, child.process.sentinel)]
    while True:
        ready = wait(handles, timeout=LOOK)
        for child in busy if not ready else ():
            child.watch()
        found = [
            child for child in busy if child.overdue or child.connection in ready or child.process.sentinel in ready
        ]
        if found or (not ready and gone()):
            return found


def _descendants(pid: int | None) -> list[psutil.Process]:
    """What a worker's plugins started and left running; also what left the worker's group."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True) if pid else []
    return []


def _cause(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    if code == -signal.SIGKILL:  # where there is no such signal, there are no negative codes
        return "SIGKILL, perhaps because memory ran out"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


@contextlib.contextmanager
def surroundings(**variables: str) -> Iterator[None]:
    """What a process about to be started inherits, and what so holds before any of its own code runs.

    Libraries read the variables when they are loaded. An interrupt from the keyboard is held back: it goes to the
    worker as well, but is the parent's to act on. One thread at a time, for the variables belong to all of them.
    """
    with _starting:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        resource_tracker.ensure_running()  # which would lift the mask if it were started under it
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            if mask is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
