"""What a run shows while it goes on: a bar on a terminal, a line now and then in the log of a batch job."""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakboard.runs.pricing import Pricing
from leakboard.runs.progress import Progress
from leakboard.tasks.meter import metered
from leakboard.texts import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tqdm import tqdm

    from leakboard.runs.plan import Plan
    from leakboard.tasks.task import Task

LOOK = 1.0
"""Seconds between two looks at how far the run is."""
LOGGED = 60.0
"""Seconds between two lines of a log."""
PRICE_AFTER = 3.0
"""Seconds from which a run is worth a process that works out what it will pay."""


class Terminal:
    """Lines on standard error that stay, and how far the run is: in a bar, in a log, or nowhere.

    Attributes:
        meter: folder where running tasks write what they paid; empty when nobody looks.
    """

    def __init__(self, bar: tqdm[Any], plan: Plan, meter: str, *, logged: bool) -> None:
        self.meter = meter
        self._bar, self._plan, self._logged = bar, plan, logged
        self._said: set[str] = set()
        self._progress = Progress(open=len(plan.observe) + len(plan.score))
        self._lock, self._over = threading.Lock(), threading.Event()
        self._begun = self._last = time.monotonic()
        if logged:
            self.say(
                f"to compute: {len(plan.todo):,} cells, {len(plan.observe)} observation tasks, "
                f"{len(plan.score)} scoring tasks"
            )

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
        with self._lock:
            self._progress.open = tasks

    def step(self, task: Task, evaluations: float) -> None:
        """One task is finished and paid so many denoiser evaluations."""
        with self._lock:
            self._progress.settle(task, evaluations)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Look now and then how far the run is, and show it, while the block lasts."""
        thread = threading.Thread(target=self._watch, daemon=True)
        if self.meter:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            if self.meter:
                thread.join()
                if not self._logged:
                    self._show()

    def _watch(self) -> None:
        pricing: Pricing | None = None
        try:
            while not self._over.wait(LOOK):
                if pricing is None and self._plan.observe and time.monotonic() - self._begun > PRICE_AFTER:
                    pricing = Pricing(self._plan.observe)
                prices = pricing.poll() if pricing else None
                with self._lock:
                    if prices is not None:
                        self._progress.priced(self._plan.observe, prices)
                    self._progress.running = metered(Path(self.meter))
                    self._show()
        finally:
            if pricing:
                pricing.close()

    def _show(self) -> None:
        now = time.monotonic()
        line = self._progress.line(now - self._begun)
        if not self._logged:
            self._bar.n = self._progress.share
            self._bar.set_description_str(line)
        elif now - self._last >= LOGGED:
            self._last = now
            self.say(line)


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
def terminal(plan: Plan, progress: bool | None) -> Iterator[Terminal]:
    """A terminal with a bar; by default the bar shows when standard error is a terminal, and lines where it is not."""
    from tqdm import tqdm

    logged = progress is None and not sys.stderr.isatty()
    quiet = progress is False
    with (
        tempfile.TemporaryDirectory(prefix="leakboard-", ignore_cleanup_errors=True) as folder,
        tqdm(total=1.0, bar_format="{percentage:3.0f}%|{bar}| {desc}", disable=quiet or logged) as bar,
    ):
        shown = Terminal(bar, plan, "" if quiet else folder, logged=logged)
        with shown.watching():
            yield shown
