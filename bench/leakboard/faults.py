"""What becomes of the exceptions of third-party code: rows inside tasks, messages outside."""

from __future__ import annotations

import contextlib
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from leakboard.api import LeakboardError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


HERE = Path(__file__).parent
Status = Literal["done", "failed", "skipped", "timeout"]
"""How a task ended with one shard of features or one cell; only a run as a whole can be interrupted."""


class TimedOut(BaseException):
    """The limit of `leakboard.tasks.time_limits` is over.

    Not an `Exception`, so that a plugin's own ``except Exception`` cannot swallow it.
    """


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


class contained:  # noqa: N801 - it stands in a with statement, as those of contextlib do
    """Around plugin code: whatever it raises ends the block and no more, and stands here afterwards.

    Anything at all, also what is no `Exception`: a plugin may exit, or be ended by its time limit. An interrupt from
    the keyboard is nobody's fault and passes, and so do exceptions of the types ``passed``.

    Attributes:
        fault: how what was raised is recorded; None when nothing was.
        place: where in a plugin's code it arose, see `raised_at`.
    """

    def __init__(self, *passed: type[BaseException]) -> None:
        self.passed = passed
        self.fault: Fault | None = None
        self.place = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if error is None or isinstance(error, self.passed):
            return False
        self.fault, self.place = fault(error), raised_at(error)
        return True


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
    except BaseException as error:
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
