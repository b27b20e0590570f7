"""A time limit for third-party code, and what an exception looks like as a row."""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import NamedTuple

from leakboard.api import Unsupported
from leakboard.tasks import Status


GRACE = 5.0
"""Seconds after the limit at which a worker process that hangs outside Python is ended."""

_watching = False


class TimedOut(BaseException):
    """The limit is over. Not an `Exception`, so that a plugin's own ``except Exception`` cannot swallow it."""


class Fault(NamedTuple):
    """How an exception is recorded."""

    status: Status
    error: str
    traceback: str


def watch() -> None:
    """From now on end this process, a worker, when it overruns a time limit without reacting to the signal."""
    global _watching  # noqa: PLW0603 - a property of the process, set once at its start
    _watching = True


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimedOut` after ``seconds``; 0 is no limit.

    It interrupts Python code of the main thread. In a worker process, code that hangs where no signal reaches it
    ends with the process, a little later.
    """
    if not seconds or threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimedOut(f"took longer than {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    if _watching:
        faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        if _watching:
            faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def fault(error: BaseException) -> Fault:
    """Status, one line and traceback of what a component raised."""
    if isinstance(error, Unsupported):
        return Fault("skipped", str(error), "")
    line = " ".join(f"{type(error).__name__}: {error}".split())
    status: Status = "timeout" if isinstance(error, TimedOut) else "failed"
    return Fault(status, line.removeprefix("TimedOut: "), "".join(traceback.format_exception(error)))
