"""What runs inside a worker of another engine: child processes that do the tasks, one a slot.

The worker itself loads no plugin and no torch. What crashes, hangs or is killed for its memory is a child, as it is in
`leakboard.runs.processes`, and the worker lives to tell. Deadlines are kept here, by the clock of this machine alone.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import pickle
import tempfile
import threading
import time
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from leakboard.errors import LeakboardError
from leakboard.runs.agreement import Refused, Terms, answer
from leakboard.runs.child import Child, reporting
from leakboard.runs.devices import pins
from leakboard.workers import cores

IDLE = 300.0
"""Seconds after which a child that nobody asks ends: its run may have been killed, and it holds a victim."""
UNSET = ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What engines set for themselves; our own processes go by OMP_NUM_THREADS."""


@dataclass(frozen=True)
class Answer:
    """What came of a task, and the seconds that it took its child."""

    outcome: Any
    seconds: float


def perform(terms: bytes, task: Any) -> Answer:
    """Run a task in a child process of this worker. Called by the engine, in a thread of it.

    Args:
        terms: a pickled `Terms`. Children of other terms end.
        task: the task, or `CALL`.
    """
    from distributed import get_worker

    worker = get_worker()
    key, states = worker.get_current_task(), ("executing", "long-running")

    def gone() -> bool:
        """Whether the engine lets go of the task, as when its run has ended, or closes this worker."""
        state = worker.state.tasks.get(key)
        return state is None or state.state not in states or worker.status.name not in ("running", "paused")

    try:
        child = _crew().borrow(terms, worker.state.nthreads)
    except LeakboardError as error:
        return Answer(Refused(error.what), 0.0)
    begun = time.monotonic()
    try:
        child.give(task)
        if reporting([child], gone):
            _, outcome = child.collect()
            return Answer(outcome, time.monotonic() - begun)
        child.kill()
        child.dead = True
        return Answer(Refused("the engine took the task back"), 0.0)
    finally:
        _crew().give_back(child)


def dismiss(terms: bytes) -> None:
    """End the idle children of a run that is over."""
    _crew().dismiss(lambda held: held.terms == terms)


@dataclass
class _Held:
    """A child that waits for a task, with what it was started for."""

    child: Child
    terms: bytes
    since: float


class _Crew:
    """The children of this worker. Slots that are in use have none of them here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[int, _Held] = {}
        self._busy: dict[int, bytes] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="leakboard-", ignore_cleanup_errors=True)
        # engines mark their workers as processes that may have no children
        multiprocessing.current_process().daemon = False
        # before Python waits for children to end, which wait for us
        Finalize(None, self.dismiss, args=(lambda _held: True,), exitpriority=100)
        threading.Thread(target=self._tidy, daemon=True).start()

    def borrow(self, terms: bytes, slots: int) -> Child:
        """An idle child of these terms, or a new one in a free slot.

        Raises:
            LeakboardError: this machine has not the devices that it is to pin.
        """
        with self._lock:
            slot = next((slot for slot, held in self._idle.items() if held.terms == terms), None)
            slot = min({*range(slots + len(self._busy))} - {*self._busy}) if slot is None else slot
            held = self._idle.pop(slot, None)
            self._busy[slot] = terms
        try:
            if held and held.terms == terms and held.child.process.is_alive():
                return held.child
            if held:
                held.child.kill()
            return self._start(terms, slot, slots)
        except BaseException:
            with self._lock:
                self._busy.pop(slot)
            raise

    def _start(self, terms: bytes, slot: int, slots: int) -> Child:
        told: Terms = pickle.loads(terms)  # noqa: S301 - the engine has unpickled as much to call us
        threads = told.threads or max(1, cores() // slots)
        more = dict.fromkeys(UNSET, str(threads)) | pins(told.gpus, slot)
        return Child(functools.partial(answer, told), threads, Path(self._folder.name), slot, more)

    def give_back(self, child: Child) -> None:
        """The child has done its task, or is dead."""
        with self._lock:
            terms = self._busy.pop(child.slot)
            if not child.dead:
                self._idle[child.slot] = _Held(child, terms, time.monotonic())

    def dismiss(self, which: Any) -> None:
        """End idle children."""
        with self._lock:
            gone = [self._idle.pop(slot) for slot, held in [*self._idle.items()] if which(held)]
        for held in gone:
            held.child.kill()

    def _tidy(self) -> None:
        while True:
            time.sleep(IDLE / 10)
            with contextlib.suppress(OSError):
                self.dismiss(lambda held: time.monotonic() - held.since > IDLE)


_made: list[_Crew] = []
_making = threading.Lock()


def _crew() -> _Crew:
    with _making:
        if not _made:
            _made.append(_Crew())
        return _made[0]
