"""What a run shows while it goes on."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from leakboard.texts import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tqdm import tqdm


class Terminal:
    """Lines on standard error that stay, above a bar that moves one step a task."""

    def __init__(self, bar: tqdm[Any]) -> None:
        self._bar = bar
        self._said: set[str] = set()

    def say(self, line: str) -> None:
        """Show a line at once."""
        self._bar.write(escaped(line), file=sys.stderr)

    def say_once(self, line: str, label: str) -> None:
        """Show a line with what it is about, the first time only."""
        if line not in self._said:
            self._said.add(line)
            self.say(f"{line}  [{label}]")

    def expect(self, tasks: int) -> None:
        """So many tasks are not finished yet."""
        self._bar.total = self._bar.n + tasks

    def step(self) -> None:
        """One task is finished."""
        self._bar.update()


@contextlib.contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Inside, a request to end (SIGTERM, as a cluster sends it) does what an interrupt from the keyboard does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def terminal(progress: bool | None) -> Iterator[Terminal]:
    """A terminal with a bar; by default the bar shows when standard error is a terminal."""
    from tqdm import tqdm

    quiet = not sys.stderr.isatty() if progress is None else not progress
    with tqdm(unit="task", disable=quiet, smoothing=0.1) as bar:
        yield Terminal(bar)
