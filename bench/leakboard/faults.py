"""A time limit for third-party code, and what becomes of its exceptions: rows inside tasks, messages outside."""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import threading
import time
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple

from leakboard.api import LeakboardError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


HERE = Path(__file__).parent
Status = Literal["done", "failed", "skipped", "timeout"]
"""How a task ended with one shard of features or one cell."""

_note: IO[str] | None = None


class TimedOut(BaseException):
    """The limit is over. Not an `Exception`, so that a plugin's own ``except Exception`` cannot swallow it."""


FAULTS = (BaseException,)
"""What a component may raise without ending the run; `fault` passes on an interrupt from the keyboard."""


class Fault(NamedTuple):
    """How an exception is recorded."""

    status: Status
    error: str
    traceback: str


def fault(error: BaseException) -> Fault:
    """Status, one line and traceback of what a component raised.

    Raises:
        KeyboardInterrupt: if that is what it is.
    """
    if isinstance(error, KeyboardInterrupt):
        raise error
    if isinstance(error, Unsupported):
        return Fault("skipped", str(error), "")
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, TimedOut):
        return Fault("timeout", str(error), trace)
    said = " ".join(str(error).split())
    return Fault("failed", f"{type(error).__name__}: {said}" if said else type(error).__name__, trace)


@contextlib.contextmanager
def forgiven() -> Iterator[None]:
    """Around plugin code that may fail without anybody being told."""
    try:
        yield
    except FAULTS as error:
        fault(error)


@contextlib.contextmanager
def blamed(component: str, method: str) -> Iterator[None]:
    """Around plugin code that runs outside tasks: what it raises is told as a mistake of that component.

    Raises:
        LeakboardError: anything was raised but an interrupt from the keyboard; one of its own is passed on as it is.
    """
    try:
        yield
    except LeakboardError:
        raise
    except FAULTS as error:
        raise LeakboardError(
            f"{component}: {method} failed: {fault(error).error}",
            where=raised_at(error),
            next="LEAKBOARD_TRACEBACK=1 in the environment shows the traceback",
        ) from error


def raised_at(error: BaseException) -> str:
    """Where in a plugin's code an error arose; an empty string when it was here, on looking at what the plugin gave."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if HERE not in Path(frame.filename).parents]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else ""


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


class Allowance:
    """The seconds that one component may use up, in one go or in several: ``with allowance: ...``; 0 is no limit.

    `TimedOut` is raised inside the block when they are over. That reaches Python code of the main thread; in a worker
    process, code that hangs elsewhere ends with the process, a little later. Blocks do not nest.

    Attributes:
        spent: seconds used so far, whether there is a limit or not.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.spent = seconds, 0.0
        self._begun = 0.0
        self._before: tuple[Any, float] | None = None

    def __enter__(self) -> None:
        self._begun = time.perf_counter()
        alarms = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        if self.seconds and alarms:
            self._arm(max(self.seconds - self.spent, 0.001))

    def __exit__(self, *_: object) -> None:
        self._disarm()
        self.spent += time.perf_counter() - self._begun

    def _arm(self, left: float) -> None:
        def ring(_number: int, _frame: FrameType | None) -> None:
            raise TimedOut(f"took longer than {self.seconds:g} s")

        handler = signal.signal(signal.SIGALRM, ring)
        if _note:
            # A long call into C may yet come back and meet the signal, so the process gets a little longer.
            faulthandler.dump_traceback_later(1.1 * left + 1, exit=True, file=_note)
        self._before = handler, signal.setitimer(signal.ITIMER_REAL, left)[0]

    def _disarm(self) -> None:
        if self._before is None:
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        if _note:
            faulthandler.cancel_dump_traceback_later()
        handler, ringing_in = self._before
        self._before = None
        signal.signal(signal.SIGALRM, handler)
        if ringing_in:
            # The alarm belonged to somebody else, and would have rung meanwhile or will ring yet.
            signal.setitimer(signal.ITIMER_REAL, max(ringing_in - (time.perf_counter() - self._begun), 0.001))
