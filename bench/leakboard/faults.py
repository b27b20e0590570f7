"""What becomes of the exceptions of third-party code: rows inside tasks, messages outside."""

from __future__ import annotations

import contextlib
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from leakboard.errors import LeakboardError, Unsupported
from leakboard.texts import cut, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


HERE = Path(__file__).parent
LINE, TRACE = 2_000, 20_000
"""Characters that are kept of what an exception says, and of its traceback."""
Status = Literal["done", "failed", "skipped", "timeout"]
"""How a task ended with one shard of features or one cell; only a run as a whole can be interrupted."""


class TimedOut(BaseException):
    """The limit of `leakboard.tasks.time_limits` is over.

    Not an `Exception`, so that a plugin's own ``except Exception`` cannot swallow it.

    Args:
        message: one line.
        who: the component that used up its time, as `leakboard.tasks.time_limits.Allowance` names it.
    """

    def __init__(self, message: str = "", who: str = "") -> None:
        super().__init__(message)
        self.who = who


class Fault(NamedTuple):
    """How an exception is recorded; ``who`` is the component whose time was over, if that is what it was."""

    status: Status
    error: str
    traceback: str
    who: str = ""


def fault(error: BaseException) -> Fault:
    """Status, one line and traceback of what a component raised, cut to `LINE` and `TRACE` characters, and clean.

    Raises:
        KeyboardInterrupt: if that is what it is.
    """
    if isinstance(error, KeyboardInterrupt):
        raise error
    if isinstance(error, Unsupported):
        return Fault("skipped", _line(error), "")
    trace = cut(escaped(_trace(error)), TRACE)
    if isinstance(error, TimedOut):
        return Fault("timeout", _line(error), trace, error.who)
    said = _line(error)
    return Fault("failed", f"{type(error).__name__}: {said}" if said else type(error).__name__, trace)


def _line(error: BaseException) -> str:
    """What an exception says, in one line: a plugin may bring one that cannot say anything, or never ends."""
    try:
        said = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as other:  # noqa: BLE001 - whatever its own code raises
        return f"(it cannot be printed: its __str__ raised {type(other).__name__})"
    return escaped(" ".join(cut(said, LINE).split()))


def _trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - as above; where it arose is known all the same
        return "".join(traceback.format_tb(error.__traceback__))


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
