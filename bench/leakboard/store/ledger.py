"""What was spent on an account, written down before it is spent, by all threads and processes alike."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from leakboard.errors import LeakboardError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLL = 0.01
"""Seconds between two looks at whether another worker is done with the ledger."""
ROUNDING = 1e-9
"""Sums of prices are not exact: 0.1 ten times is less than 1."""


@dataclass
class Entries:
    """What stands in a ledger.

    Attributes:
        spent: money.
        queries: that it was spent on.
        next: when the next query may be sent, in seconds since the epoch: workers share the clock of their machine.
    """

    spent: float = 0.0
    queries: int = 0
    next: float = 0.0


@dataclass(frozen=True)
class Ledger:
    """See `leakboard.asking.Ledger`.

    Attributes:
        path: a JSON file; made when something is written down.
    """

    path: Path

    @property
    def spent(self) -> float:
        """Money spent so far."""
        return self.entries().spent

    def entries(self) -> Entries:
        """What stands in it now.

        Raises:
            LeakboardError: the file is damaged.
        """
        try:
            return Entries(**json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return Entries()
        except (OSError, ValueError, TypeError) as error:
            raise LeakboardError(
                "what was spent so far cannot be read",
                where=str(self.path),
                expected='JSON like {"spent": 1.5, "queries": 75, "next": 0.0}',
                next="write by hand what the provider has billed",
            ) from error

    def charge(self, price: float, cap: float | None) -> None:
        """Take the price of one query.

        Raises:
            LeakboardError: more than the cap would be spent.
        """
        with self._open() as found:
            if cap is not None and found.spent + price > cap + ROUNDING:
                raise LeakboardError(
                    f"the budget is spent: {found.spent:g} of {cap:g} for {found.queries:,} queries, the next costs "
                    f"{price:g}",
                    expected="a cap that leaves room for it",
                    next="raise cap=... and run the same grid again: what was answered is kept and not paid again",
                )
            found.spent, found.queries = found.spent + price, found.queries + 1

    def refund(self, price: float) -> None:
        """Give back the price of a query that was refused."""
        with self._open() as found:
            found.spent, found.queries = max(0.0, found.spent - price), max(0, found.queries - 1)

    def turn(self, rate: float) -> float:
        """Seconds to wait before the next query, so that all ask at most ``rate`` a second; 0 is no limit."""
        now = time.time()
        with self._open() as found:
            when = max(now, found.next)
            if rate:
                found.next = when + 1 / rate
        return when - now

    def pause(self, seconds: float) -> None:
        """Nobody asks for so long."""
        with self._open() as found:
            found.next = max(found.next, time.time() + seconds)

    @contextlib.contextmanager
    def _open(self) -> Iterator[Entries]:
        """What stands in it, to be changed while nobody else looks."""
        from filelock import FileLock

        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".ledger.lock")).acquire(poll_interval=POLL):
            found = self.entries()
            before = asdict(found)
            yield found
            if asdict(found) != before:
                part = self.path.with_suffix(f".{os.getpid()}.part")
                part.write_text(json.dumps(asdict(found)), encoding="ascii")
                part.replace(self.path)
