"""Opening a store: is it ours, is it there, is its schema the one this version knows."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, select, text

from leakboard.errors import LeakboardError, nearest
from leakboard.store.engines import WAIT, engine_for, explained, shown, transaction
from leakboard.store.tables import MetaTable

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import URL, Engine

FORMAT = "leakboard"
MAKES_ONE = "`leakboard run GRID --store ...` makes one, and so does Store(..., create=True)"
MIGRATIONS = Path(__file__).parent / "migrations"

_HEADER = b"SQLite format 3\0"


class NoStore(LeakboardError):
    """There is no store yet: no such file, or an empty database."""


def open_engine(place: Path | URL, *, read_only: bool, create: bool = False) -> Engine:
    """An engine for a store that has been checked, made where that is wanted (``create``), or upgraded.

    Raises:
        NoStore: there is none, and none is to be made.
        LeakboardError: there is no such store, it is not a store, it is of another version, or it cannot be written.
    """
    if isinstance(place, Path):
        _check_file(place, read_only=read_only, create=create)
    reader = engine_for(place, read_only=True)
    fresh = isinstance(place, Path) and not place.exists()
    if fresh:
        version = None
    else:
        with transaction(reader, place, write=False) as connection:
            version = schema_version(connection, shown(place))
    if version == revisions()[-1]:
        pass
    elif version is not None and version not in revisions():
        raise LeakboardError(
            "the store was made by a newer Leakboard",
            where=f"{shown(place)} (schema {version})",
            expected=f"schema {revisions()[-1]} or older",
            next="pip install --upgrade leakboard",
        )
    elif version is None and (read_only or not create):
        raise NoStore("there is no store yet", where=shown(place), next=MAKES_ONE)
    elif read_only:
        raise LeakboardError(
            "the store was made by an older Leakboard",
            where=shown(place),
            next="open it once with a command that writes, such as `leakboard run`: it is upgraded, and a copy kept",
        )
    else:
        _migrate(place, backup=version is not None)
    return reader if read_only else engine_for(place, read_only=False)


def revisions() -> list[str]:
    """The schema versions this program knows, oldest first: the numbers that begin the migrations' file names."""
    return sorted(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def schema_version(connection: Connection, where: str) -> str | None:
    """The store's schema version, or None when the database is empty.

    Raises:
        LeakboardError: the database belongs to another program, or does not say its version.
    """
    inspector = inspect(connection)
    tables = set(inspector.get_table_names())
    if connection.dialect.name == "sqlite":
        tables |= set(inspector.get_view_names())  # on a server extensions bring views, and leave room for a store
    if not tables:
        return None
    if {"meta", "alembic_version"} <= tables and {"key", "value"} <= {c["name"] for c in inspector.get_columns("meta")}:
        mark = connection.scalar(select(MetaTable.value).where(MetaTable.key == "format"))
        if mark == FORMAT:
            version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            if version is None:
                raise LeakboardError(
                    "the store does not say its schema version: it was altered, or damaged while it was made",
                    where=where,
                    expected="one row in the table alembic_version",
                    next="restore a copy, or begin a new store",
                )
            return version
    raise LeakboardError(
        f"the database belongs to another program: it holds the tables {', '.join(sorted(tables)[:5])}",
        where=where,
        expected="a store made by Leakboard, or a path where there is nothing yet",
    )


def migration_config(connection: Connection) -> Config:
    """What alembic needs to know, without an ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _check_file(path: Path, *, read_only: bool, create: bool) -> None:
    if path.is_dir():
        raise LeakboardError(
            "the store is a folder", where=str(path), expected="a file", nearest=str(path / "store.db")
        )
    if not path.exists():
        if read_only or not create:
            beside = map(str, path.parent.glob("*.db"))
            raise NoStore("there is no such store", where=str(path), nearest=nearest(str(path), beside), next=MAKES_ONE)
        if not path.parent.is_dir():
            raise LeakboardError("the store's folder does not exist", where=str(path.parent), next="make the folder")
        if not os.access(path.parent, os.W_OK):
            raise LeakboardError("the store's folder is not writable", where=str(path.parent))
        return
    try:
        with path.open("rb") as file:
            start = file.read(len(_HEADER))
    except OSError as error:
        raise LeakboardError(f"the store cannot be read: {error.strerror}", where=str(path)) from None
    if start and start != _HEADER:
        raise LeakboardError("the file is not a store: it is no SQLite database", where=str(path))
    if not read_only and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        raise LeakboardError(
            "the store is not writable", where=str(path), next="check the file's and folder's permissions"
        )


def _migrate(place: Path | URL, *, backup: bool) -> None:
    from alembic import command

    if isinstance(place, Path) and backup:
        _copy(place)
    # Foreign keys are off, for rebuilding a table (all that SQLite offers for altering one) would trip over them.
    engine = engine_for(place, read_only=False, foreign_keys=False)
    with transaction(engine, place, write=True) as connection:
        if schema_version(connection, shown(place)) != revisions()[-1]:
            command.upgrade(migration_config(connection), "head")
    if isinstance(place, Path):
        _use_wal(place)


def _use_wal(path: Path) -> None:
    """Readers and the writer stop waiting for each other. The file remembers it."""
    # A second process that opens the new store at this moment does the same, and one of them is enough.
    with (
        contextlib.closing(sqlite3.connect(path, timeout=WAIT, isolation_level=None)) as connection,
        contextlib.suppress(sqlite3.OperationalError),
    ):
        connection.execute("PRAGMA journal_mode = wal")


def _copy(path: Path) -> None:
    """A copy beside the file, made by SQLite, for a plain copy would miss what is still in the log.

    Raises:
        LeakboardError: there is no room for it.
    """
    target = path.with_name(f"{path.name}.bak")
    part = path.with_name(f"{path.name}.bak.part")
    try:
        part.unlink(missing_ok=True)
        with (
            contextlib.closing(sqlite3.connect(path, timeout=WAIT)) as source,
            contextlib.closing(sqlite3.connect(part)) as copy,
        ):
            source.backup(copy)
        part.replace(target)
    except (sqlite3.Error, OSError) as error:
        raise explained(error, part) from error
