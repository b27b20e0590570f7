"""A store and its payload files in one archive, for others: it opens wherever it is unpacked, and tells on nobody."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import JSON, Text

from leakboard.errors import LeakboardError
from leakboard.store import frames
from leakboard.store.artifacts import Artifacts, Damaged, Missing
from leakboard.store.engines import WAIT, explained
from leakboard.store.folders import file_name
from leakboard.store.payloads import called, labels_of
from leakboard.store.tables import Base
from leakboard.texts import all_discreet, discreet, home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leakboard.store.buckets import Bucket
    from leakboard.store.store import Store

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")


class Packed(NamedTuple):
    """What was written, how many payload files it holds, its size in bytes, and one line for each kind left out."""

    path: Path
    files: int
    bytes: int
    left_out: tuple[str, ...]


def pack(store: Store, out: Path | str, *, pictures: bool = False) -> Packed:
    """Write a store and its payload files into one archive, in one step.

    The archive holds one folder, called as the store: the database, and beside it the files. The database is copied as
    it is at one moment, whoever writes meanwhile. What tells of this machine stays out: paths, names of hosts, tokens.

    Args:
        store: a store in a file.
        out: the archive: ``.zip``, ``.tar``, ``.tar.gz`` or ``.tgz``.
        pictures: also images of datasets that are not public, as far as some were kept.

    Raises:
        LeakboardError: the store is on a server, the ending is none of these, or the archive cannot be written.
    """
    out = Path(home(out))
    if not isinstance(store.place, Path):
        raise LeakboardError(
            "a store on a server cannot be packed as it is",
            where=store.url,
            expected="a store in a file",
            next="leakboard merge copy.db URL copies it, and its files, into one; then leakboard pack copy.db",
        )
    if not out.name.endswith(ENDINGS):
        raise LeakboardError(
            "the archive's name does not tell its format", where=str(out), expected=f"an ending of {', '.join(ENDINGS)}"
        )
    stem = store.place.stem
    keys, left_out = _chosen(store, pictures=pictures)
    try:
        with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name[:64]}-") as scratch:
            database, archive = Path(scratch) / "store.db", Path(scratch) / "archive"
            _copy(store.place, database)
            _make_discreet(database, gone=set(store.artifact_rows()) - keys - left_out.missing)
            with _writer(archive, out.name) as add:
                add(f"{stem}/{stem}.db", database.read_bytes())
                artifacts = Artifacts(store.artifacts)
                for key in sorted(keys):
                    add(f"{stem}/{stem}-artifacts/{file_name(key)}", artifacts.read(key))
            size = archive.stat().st_size
            archive.replace(out)
    except sqlite3.Error as error:
        raise explained(error, store.place) from error
    except OSError as error:
        raise LeakboardError(f"cannot write the archive: {error.strerror or error}", where=str(out)) from error
    return Packed(out, len(keys), size, left_out.lines(store.artifacts))


class _LeftOut(NamedTuple):
    """Keys of files that are not packed."""

    missing: set[str]
    private: set[str]
    telling: set[str]

    def lines(self, folder: Path | Bucket) -> tuple[str, ...]:
        told = (
            (self.missing, f"files that are missing or damaged in {folder}"),
            (self.private, "files with images that an API made or that are not public (--pictures packs them)"),
            (self.telling, "files of an older version that tell where things lie on this machine"),
        )
        return tuple(f"{len(keys):,} {what}" for keys, what in told if keys)


def _chosen(store: Store, *, pictures: bool) -> tuple[set[str], _LeftOut]:
    """Keys of the files to be packed, and those that are not."""
    artifacts, labels = Artifacts(store.artifacts), labels_of(frames.components(store))
    private = set(store.private_datasets())
    chosen, left_out = set[str](), _LeftOut(set(), set(), set())
    for key, row in store.artifact_rows().items():
        try:
            meta = artifacts.get(key)[1]
        except (Missing, Damaged):
            left_out.missing.add(key)
            continue
        shows = row.kind == "answer" or (row.kind == "preview" and called(labels, meta, "dataset") in private)
        if shows and not pictures:
            left_out.private.add(key)
        elif any(discreet(text) != text for text in meta.values()):
            left_out.telling.add(key)
        else:
            chosen.add(key)
    return chosen, left_out


def _copy(source: Path, target: Path) -> None:
    """A copy made by SQLite, for a plain one would miss what is still in the log."""
    with (
        contextlib.closing(sqlite3.connect(f"file:{source.absolute()}?mode=ro", uri=True, timeout=WAIT)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _make_discreet(database: Path, gone: set[str]) -> None:
    """Take out of a copy what is nobody else's business, and the rows of files that are not packed."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = delete")
        connection.execute("BEGIN")
        connection.execute("DELETE FROM meta WHERE key = 'artifacts'")
        connection.executemany("DELETE FROM artifact WHERE key = ?", [(key,) for key in gone])
        connection.execute("UPDATE run SET host = '', pid = 0, boot_id = ''")
        connection.execute("UPDATE run SET status = 'interrupted' WHERE status = 'running'")
        for table in Base.metadata.sorted_tables:
            for column in table.columns:
                if isinstance(column.type, Text):
                    _rewrite(connection, table.name, column.name, discreet)
                elif isinstance(column.type, JSON):
                    _rewrite(connection, table.name, column.name, _discreet_json)
        connection.execute("COMMIT")
        connection.execute("VACUUM")  # what was deleted stays in the file until then


def _discreet_json(text: str) -> str:
    return json.dumps(all_discreet(json.loads(text)))


def _rewrite(connection: sqlite3.Connection, table: str, column: str, change: Callable[[str], str]) -> None:
    """Change the texts of one column; the same text is looked at once, however often it is there."""
    rows = connection.execute(f'SELECT DISTINCT "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL')  # noqa: S608 - our own names
    texts = [str(text) for (text,) in rows.fetchall()]
    changed = [(new, text) for text in texts if (new := change(text)) != text]
    connection.executemany(f'UPDATE "{table}" SET "{column}" = ? WHERE "{column}" = ?', changed)  # noqa: S608 - as above


@contextlib.contextmanager
def _writer(archive: Path, name: str) -> Iterator[Callable[[str, bytes], None]]:
    """What adds a file to an archive: its name and bytes alone, for archives keep the names of users otherwise."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
            yield opened.writestr
        return
    with tarfile.open(archive, "w" if name.endswith(".tar") else "w:gz") as tar:

        def add(place: str, payload: bytes) -> None:
            entry = tarfile.TarInfo(place)
            entry.size = len(payload)
            tar.addfile(entry, io.BytesIO(payload))

        yield add
