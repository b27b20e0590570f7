"""A time limit for third-party code, and what ends a worker that hangs where no signal reaches it."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import time
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from leakboard.faults import TimedOut

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

_note: IO[str] | None = None
GRACE = 10.0
"""Seconds after which the parent ends a worker that hangs and does not end itself."""


def watch(note: Path) -> None:
    """From now on end this process, a worker, when a component hangs where no signal reaches it.

    Before it ends, the place where it hangs is written into the file ``note``.
    """
    global _note  # noqa: PLW0603 - a property of the process, set once at its start
    _note = note.open("w", encoding="utf-8")


def stop_watching() -> None:
    """Call off an end that `watch` may have left pending: an alarm can ring just where a block is left."""
    if _note:
        faulthandler.cancel_dump_traceback_later()
        _tell("")


def _tell(line: str) -> None:
    """Write down for the parent who may take how long: it ends this process if nothing here does."""
    if _note:
        _note.seek(0)
        _note.truncate()
        _note.write(line)
        _note.flush()


class Hung(NamedTuple):
    """What a note says: who was at work, until when (`time.monotonic`), and where it hung if this was found out."""

    who: str
    deadline: float
    trace: str


def read_note(note: Path) -> Hung | None:
    """What a worker left behind that had to end itself, or is at; None when it is at nothing that has a limit."""
    first, newline, trace = note.read_text(encoding="utf-8", errors="replace").partition("\n")
    deadline, _, who = first.partition(" ")
    return Hung(who, float(deadline), trace) if newline else None


class Allowance:
    """The seconds that one component may use up, in one go or in several: ``with allowance: ...``; 0 is no limit.

    `TimedOut` is raised inside the block when they are over. That reaches Python code of the main thread; in a worker
    process, code that hangs elsewhere ends with the process, a little later. Blocks do not nest.

    A process that was forked off inside the block leaves at its end: it is a plugin's, and not the harness's.

    Args:
        seconds: the limit.
        who: the component, as `leakboard.tasks.task.who` calls it.

    Attributes:
        spent: seconds used so far, whether there is a limit or not.
    """

    def __init__(self, seconds: float, who: str = "") -> None:
        self.seconds, self.who, self.spent = seconds, who, 0.0
        self._process = 0
        self._begun = 0.0
        self._before: tuple[Any, float] | None = None

    def __enter__(self) -> None:
        self._begun, self._process = time.perf_counter(), os.getpid()
        alarms = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        if self.seconds and alarms:
            self._arm(max(self.seconds - self.spent, 0.001))

    def __exit__(self, *_: object) -> None:
        if os.getpid() != self._process:
            os._exit(1)
        self._disarm()
        self.spent += time.perf_counter() - self._begun

    def _arm(self, left: float) -> None:
        def ring(_number: int, _frame: FrameType | None) -> None:
            raise TimedOut(f"took longer than {self.seconds:g} s", self.who)

        handler = signal.signal(signal.SIGALRM, ring)
        if _note:
            _tell(f"{time.monotonic() + left} {self.who}\n")
            # A long call into C may yet come back and meet the signal, so the process gets a little longer.
            faulthandler.dump_traceback_later(1.1 * left + 1, exit=True, file=_note)
        self._before = handler, signal.setitimer(signal.ITIMER_REAL, left)[0]

    def _disarm(self) -> None:
        if self._before is None:
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        stop_watching()
        handler, ringing_in = self._before
        self._before = None
        signal.signal(signal.SIGALRM, handler)
        if ringing_in:
            # The alarm belonged to somebody else, and would have rung meanwhile or will ring yet.
            signal.setitimer(signal.ITIMER_REAL, max(ringing_in - (time.perf_counter() - self._begun), 0.001))
