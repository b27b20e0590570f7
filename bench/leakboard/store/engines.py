"""Connections to a store: how SQLite and PostgreSQL are made to behave alike.

A write takes the store's one write lock at its first statement (``BEGIN IMMEDIATE``, an advisory lock on a server),
so writers wait for each other instead of failing, and reading what is there before inserting is free of races.
Connections are not pooled: one that is inherited by a forked worker would corrupt a SQLite log.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from leakboard.errors import LeakboardError, nearest
from leakboard.texts import home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL

WAIT = 30.0
"""Seconds to wait for another writer."""

_WRITES = "leakboard_writes"
_LOCK = 7_310_579_811_062_001
"""Any fixed number: the advisory lock that stands for a whole PostgreSQL store."""
_BACKENDS = {"sqlite", "postgresql"}
_PASSWORD = re.compile(r"(://[^:@/]*:).*@")
_MORE_ROOM = "free some space, then run the same command again"


def locate(url: str | Path) -> Path | URL:
    """The SQLite file or the server that a user's ``--store`` means.

    Raises:
        LeakboardError: not a URL, or of a database that is not supported.
    """
    if isinstance(url, Path) or "://" not in url:
        return Path(home(url))
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise LeakboardError(
            "the store's URL cannot be read",
            where=_PASSWORD.sub(r"\1***@", url),
            expected="postgresql://user@host:5432/database, or the path of a file",
        ) from None
    backend = "postgresql" if parsed.drivername == "postgres" else parsed.get_backend_name()
    if backend not in _BACKENDS:
        raise LeakboardError(
            f"no store on {backend}",
            expected="a file path, sqlite:///path or postgresql://user@host/database",
            nearest=nearest(backend, _BACKENDS),
        )
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise LeakboardError("a store in memory cannot be resumed", where=url, expected="a file path")
        return Path(home(parsed.database))
    return parsed.set(drivername="postgresql+psycopg")


def shown(place: Path | URL) -> str:
    """The place as it may be printed, without a password."""
    if isinstance(place, Path):
        return str(place)
    return place.set(query={}).render_as_string(hide_password=True)  # a query may hold one too


def engine_for(place: Path | URL, *, read_only: bool, foreign_keys: bool = True) -> Engine:
    """An engine for a store that exists, or may be made.

    Raises:
        LeakboardError: the driver is not installed.
    """
    if isinstance(place, Path):
        engine = create_engine(
            "sqlite://", creator=_sqlite(place, read_only, foreign_keys), poolclass=NullPool, json_serializer=_json
        )
    else:
        try:
            engine = create_engine(place, poolclass=NullPool, json_serializer=_json)
        except ImportError:
            raise LeakboardError(
                "PostgreSQL needs the psycopg package", where=shown(place), next="pip install 'leakboard[postgresql]'"
            ) from None
    event.listen(engine, "begin", _begin_file if isinstance(place, Path) else _begin_server)
    return engine


@contextlib.contextmanager
def transaction(engine: Engine, place: Path | URL, *, write: bool) -> Iterator[Connection]:
    """One transaction; the database's complaints become sentences.

    Raises:
        LeakboardError: locked for too long, full, not writable, or not reachable.
    """
    try:
        with engine.execution_options(**{_WRITES: write}).begin() as connection:
            yield connection
    except DBAPIError as error:
        raise explained(error.orig, place) from error


def _sqlite(path: Path, read_only: bool, foreign_keys: bool) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        mode = "mode=ro" if read_only else "mode=rwc"
        if read_only and not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists():
            mode = "immutable=1"  # in a folder that is not ours SQLite cannot make the files a WAL reader needs
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?{mode}",
            uri=True,
            timeout=WAIT,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute(f"PRAGMA foreign_keys = {'on' if foreign_keys else 'off'}")
        connection.execute("PRAGMA synchronous = normal")
        return connection

    return connect


def _begin_file(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_server(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITES):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(WAIT * 1000)}")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    else:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ")


def _json(value: object) -> str:
    return json.dumps(value, default=str)


def explained(error: BaseException | None, place: Path | URL) -> LeakboardError:
    """A database driver's complaint as a sentence and a next step."""
    said = " ".join(str(error).split())
    where = shown(place)
    for sign, what, advice in (
        ("locked", f"another program has kept the store locked for {WAIT:.0f} seconds", "wait for it, or close it"),
        ("lock timeout", f"another program has kept the store locked for {WAIT:.0f} seconds", "wait for it"),
        ("disk is full", "no space left for the store", _MORE_ROOM),
        ("No space left", "no space left for the store", _MORE_ROOM),
        ("disk I/O error", "no space left for the store, or its disk fails", _MORE_ROOM),
        ("readonly database", "the store cannot be written", "check the permissions of the file and its folder"),
        (
            "malformed",
            "the store's file is damaged",
            "restore a copy, or begin a new store and `leakboard merge` into it",
        ),
        ("not a database", "the store's file is damaged", "restore a copy, or begin a new store"),
        ("resolve host", "the database server's host is not known", "check the host name in the URL, and the network"),
        ("connection", "the database server does not answer", "check the URL and that the server runs"),
    ):
        if sign in said:
            return LeakboardError(what, where=f"{where} ({said})", next=advice)
    return LeakboardError(f"the database refused: {said}", where=where)
