"""Who works on what, where several runs share one store on a server: a piece of work is leased, and leases expire.

A run renews what it holds while it lives. What was held by one that was killed is free again after `EXPIRY`. The
database's clock alone decides, so the clocks of the machines may differ.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, text, update

from leakboard.errors import LeakboardError
from leakboard.store.queries import chunks
from leakboard.store.tables import ArtifactTable, AttemptTable, LeaseTable, RunTable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from leakboard.store.store import Store

EXPIRY = 60.0
"""Seconds after which a lease that was not renewed is anybody's."""
BEATS = 4
"""Renewals within that time: some may fail without harm."""
_CLOCKS = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
}
_RUN = "run "
"""What a run's lease of nothing but its own name begins with: others see by it that it lives."""


class Held(NamedTuple):
    """A piece of work that a run holds: its key, the run's id and name, its grid's name, and what a person calls it."""

    key: str
    run_id: int
    uid: str
    grid: str
    label: str


class Claimed(NamedTuple):
    """What a run learns when it asks for work.

    Attributes:
        mine: keys that it holds now.
        decided: status of cells that others recorded since it last asked, by key.
        made: of the features it asked about, keys of those that another run recorded, whenever that was.
    """

    mine: frozenset[str]
    decided: Mapping[str, str]
    made: frozenset[str]


@dataclass
class Leases:
    """What one run holds.

    Attributes:
        store: where leases stand.
        run_id: the run.
        seen: id of the newest attempt that it knows of.
        seconds: after which its leases expire if it does not renew them.
    """

    store: Store
    run_id: int
    seen: int = 0
    seconds: float = field(default_factory=lambda: EXPIRY)

    def claim(self, keys: Collection[str], label: str, features: Sequence[str] = ()) -> Claimed:
        """Hold those of some keys that no other run holds.

        Args:
            keys: of pieces of work.
            label: what a person calls them.
            features: keys of features that may have been made elsewhere.
        """
        with self.store.writing() as connection:
            now = _now(connection)
            free = {*keys}
            for some in chunks([*keys]):
                rows = connection.execute(select(LeaseTable).where(LeaseTable.key.in_(some)))
                free -= {row.key for row in rows if row.run_id != self.run_id and row.expires > now}
            _forget(connection, [*free])
            rows_of_mine = [
                {"key": key, "run_id": self.run_id, "expires": now + self.seconds, "label": label} for key in free
            ]
            if rows_of_mine:
                connection.execute(insert(LeaseTable), rows_of_mine)
            return Claimed(frozenset(free), self._news(connection), self._made(connection, features))

    def look(self) -> tuple[frozenset[str], Mapping[str, str]]:
        """Keys that other runs hold, and `Claimed.decided`."""
        with self.store.reading() as connection:
            held = frozenset(each.key for each in _held(connection) if each.run_id != self.run_id)
            return held, self._news(connection)

    def renew(self) -> None:
        """Hold for longer what this run holds."""
        with self.store.writing() as connection:
            mine = update(LeaseTable).where(LeaseTable.run_id == self.run_id)
            connection.execute(mine.values(expires=_now(connection) + self.seconds))

    def release(self, keys: Collection[str]) -> None:
        """Let go of some keys."""
        if keys:
            with self.store.writing() as connection:
                release(connection, self.run_id, keys)

    @contextlib.contextmanager
    def renewed(self, uid: str) -> Iterator[None]:
        """The run, by its name, and what it holds are renewed while the block lasts, and let go of at its end."""
        self.claim([f"{_RUN}{uid}"], "")
        over = threading.Event()
        beating = threading.Thread(target=self._beat, args=(over,), daemon=True)
        beating.start()
        try:
            yield
        finally:
            over.set()
            beating.join()
            with contextlib.suppress(LeakboardError), self.store.writing() as connection:
                connection.execute(delete(LeaseTable).where(LeaseTable.run_id == self.run_id))

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(self.seconds / BEATS):
            with contextlib.suppress(LeakboardError):  # the server may be back for the next one
                self.renew()

    def _news(self, connection: Connection) -> dict[str, str]:
        """Cells that other runs decided; ids of attempts are given out in the order of their transactions."""
        news = select(AttemptTable.id, AttemptTable.run_id, AttemptTable.cell_key, AttemptTable.status)
        rows = connection.execute(news.where(AttemptTable.id > self.seen).order_by(AttemptTable.id)).all()
        self.seen = max([self.seen, *(row.id for row in rows)])
        return {row.cell_key: row.status for row in rows if row.run_id != self.run_id}

    def _made(self, connection: Connection, features: Sequence[str]) -> frozenset[str]:
        found: set[str] = set()
        for some in chunks(features):
            known = select(ArtifactTable.key).where(ArtifactTable.key.in_(some), ArtifactTable.run_id != self.run_id)
            found.update(connection.scalars(known))
        return frozenset(found)


def newest_attempt(store: Store) -> int:
    """The id of the newest attempt of a store, 0 where there is none."""
    with store.reading() as connection:
        return connection.scalar(select(func.max(AttemptTable.id))) or 0


def held(store: Store) -> list[Held]:
    """All that is leased at this moment: work, and apart from it the runs that live."""
    with store.reading() as connection:
        return _held(connection)


def is_work(lease: Held) -> bool:
    """Whether it is a piece of work that is held, and not the name of a run."""
    return not lease.key.startswith(_RUN)


def release(connection: Connection, run_id: int, keys: Collection[str]) -> None:
    """Let go of what a run holds, on a connection that holds the write lock."""
    for some in chunks([*keys]):
        connection.execute(delete(LeaseTable).where(LeaseTable.key.in_(some), LeaseTable.run_id == run_id))


def _forget(connection: Connection, keys: Sequence[str]) -> None:
    for some in chunks(keys):
        connection.execute(delete(LeaseTable).where(LeaseTable.key.in_(some)))


def _held(connection: Connection) -> list[Held]:
    columns = (LeaseTable.key, LeaseTable.run_id, RunTable.uid, RunTable.grid_name, LeaseTable.label)
    leases = select(*columns).join(RunTable, RunTable.id == LeaseTable.run_id)
    rows = connection.execute(leases.where(LeaseTable.expires > _now(connection)).order_by(LeaseTable.key))
    return [Held(*row) for row in rows]


def _now(connection: Connection) -> float:
    """Seconds since the epoch by the database's clock, which is the same for all."""
    return float(connection.scalar(text(_CLOCKS[connection.dialect.name])) or 0.0)
