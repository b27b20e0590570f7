"""Opening a store: every way it can be wrong has its own message, and nothing is altered by looking."""

import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy.exc import OperationalError

from helpers.small_stores import fill
from leakboard.errors import LeakboardError
from leakboard.runs.missing import existing
from leakboard.store import RunInfo, Store, engines


def message(*arguments, **options):
    with pytest.raises(LeakboardError) as caught:
        Store(*arguments, **options, create=True)
    return str(caught.value)


def test_each_mistake_has_its_own_message(tmp_path):
    (tmp_path / "text.db").write_text("this is not a database at all")
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE meta (key, value)")
        other.execute("CREATE TABLE bookmarks (url)")
    Store(tmp_path / "newer.db", create=True)
    with closing(sqlite3.connect(tmp_path / "newer.db")) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.commit()
    (tmp_path / "empty.db").touch()
    Store(tmp_path / "unmarked.db", create=True)
    with closing(sqlite3.connect(tmp_path / "unmarked.db")) as unmarked:
        unmarked.execute("DELETE FROM alembic_version")
        unmarked.commit()
    with closing(sqlite3.connect(tmp_path / "views.db")) as views:
        views.execute("CREATE VIEW answer AS SELECT 42")
    messages = [
        message(tmp_path / "text.db"),
        message(tmp_path / "other.db"),
        message(tmp_path / "newer.db"),
        message(tmp_path),
        message(tmp_path / "nowhere" / "store.db"),
        message(tmp_path / "absent.db", read_only=True),
        message(tmp_path / "empty.db", read_only=True),
        message("sqlite://"),
        message("mysql://host/name"),
        message("sqlte:///store.db"),
        message("://"),
        message(tmp_path / "unmarked.db"),
        message(tmp_path / "views.db"),
    ]

    expected = [
        "no SQLite database",
        "another program: it holds the tables bookmarks, meta",
        "newer Leakboard",
        "is a folder",
        "folder does not exist",
        "no such store",
        "no store yet",
        "memory",
        "no store on mysql",
        "did you mean: sqlite",
        "cannot be read",
        "does not say its schema version",
        "another program: it holds the tables answer",
    ]
    for text, part in zip(messages, expected, strict=True):
        assert part in text
    assert len({text.splitlines()[0] for text in messages}) == len(messages)
    assert not (tmp_path / "absent.db").exists()


@pytest.mark.parametrize("read_only", [True, False])
def test_foreign_file_is_left_as_it_was(tmp_path, read_only):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE bookmarks (url)")
    before = path.read_bytes()

    message(path, read_only=read_only)

    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["other.db"]


def test_empty_file_becomes_a_store(tmp_path):
    """As made by `mktemp`."""
    (tmp_path / "store.db").touch()

    Store(tmp_path / "store.db", create=True).begin_run(RunInfo(grid_name="x"))


def test_damaged_database_is_said_to_be_so(tmp_path):
    path = tmp_path / "store.db"
    fill(Store(path, create=True), cells=40)
    payload = bytearray(path.read_bytes())
    payload[4096:] = b"\xff" * (len(payload) - 4096)
    path.write_bytes(payload)

    with pytest.raises(LeakboardError, match="damaged"):
        Store(path, create=True).results()


def test_locked_store_is_said_to_be_locked(tmp_path, monkeypatch):
    path = tmp_path / "store.db"
    store = Store(path, create=True)
    monkeypatch.setattr(engines, "WAIT", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        assert store.runs().empty
        with pytest.raises(LeakboardError, match="locked"):
            store.begin_run(RunInfo(grid_name="x"))


def test_full_disk_is_said_to_be_full(tmp_path):
    """SQLite's own error for it, provoked by its limit on pages."""
    store = Store(tmp_path / "store.db", create=True)

    def write_too_much():
        with store.writing() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
            connection.exec_driver_sql(f"INSERT INTO meta VALUES ('long', '{'x' * 10**6}')")

    with pytest.raises(LeakboardError, match="no space left for the store"):
        write_too_much()
    store.begin_run(RunInfo(grid_name="the store still works"))


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("disk I/O error", "no space left for the store"),
        ("database or disk is full", "no space left for the store"),
        ("failed to resolve host 'nowhere': Name or service not known", "host is not known"),
    ],
)
def test_what_a_driver_says_becomes_a_sentence_with_a_next_step(tmp_path, said, what):
    """SQLite says I/O error where there is no room for the files beside the store."""
    store = Store(tmp_path / "store.db", create=True)

    with pytest.raises(LeakboardError) as caught, store.reading():
        raise OperationalError("SELECT 1", None, sqlite3.OperationalError(said))

    assert what in caught.value.what
    assert said in caught.value.where
    assert caught.value.next


@pytest.mark.parametrize(
    "url", ["http://foo:bar/x", "postgresql://x:secret@host:port/x", "postgresql://x:se@cret@h:p/x"]
)
def test_port_that_is_no_number_is_told_without_the_password(url):
    text = message(url)

    assert "cannot be read" in text
    assert "secret" not in text
    assert "cret@" not in text


def test_unwritable_places_are_told_apart(tmp_path, monkeypatch):
    """By `os.access`, so that the test also holds for root."""
    path = tmp_path / "store.db"
    Store(path, create=True)
    monkeypatch.setattr(os, "access", lambda place, mode: False)

    assert "store is not writable" in message(path)
    assert "folder is not writable" in message(tmp_path / "new.db")


def test_finished_store_opens_in_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    """SQLite then needs to be told that nobody else writes, for it cannot make its own files."""
    path = tmp_path / "store.db"
    fill(Store(path, create=True))
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    before = sorted(entry.name for entry in tmp_path.iterdir())

    assert len(Store(path, read_only=True).results()) == 6
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before


def test_reader_sees_a_run_in_progress_and_cannot_write(tmp_path):
    path = tmp_path / "store.db"
    store = Store(path, create=True)
    fill(store, cells=1)
    reader = Store(path, read_only=True)

    store.begin_run(RunInfo(grid_name="more"))

    assert len(reader.runs()) == 2
    with pytest.raises(LeakboardError, match="reading only"):
        reader.begin_run(RunInfo(grid_name="x"))


@pytest.mark.parametrize("name", ["with space.db", "per%20cent.db", "what?.db", "hash#.db", "naïve.db"])
def test_any_file_name_will_do(tmp_path, name):
    fill(Store(tmp_path / name, create=True), cells=1)

    assert len(Store(tmp_path / name, read_only=True).cells()) == 1
    assert (tmp_path / name).is_file()


def test_url_and_path_mean_the_same_file(tmp_path):
    fill(Store(f"sqlite:///{tmp_path / 'store.db'}", create=True), cells=1)

    assert len(Store(str(tmp_path / "store.db"), create=True).cells()) == 1


def test_artifact_folder_is_beside_the_store_unless_given(tmp_path):
    path = tmp_path / "store.db"
    assert Store(path, create=True).artifacts == tmp_path / "store-artifacts"

    Store(path, artifacts=tmp_path / "elsewhere", create=True)

    assert Store(path, create=True).artifacts == tmp_path / "elsewhere"
    assert Store(path, read_only=True).artifacts == tmp_path / "elsewhere"


def test_store_and_artifacts_move_together(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    fill(Store(old / "store.db", artifacts=old / "files", create=True))
    shutil.move(old, new)

    assert len(Store(new / "store.db", create=True).scores()) == 9


def test_artifact_folder_outside_is_kept_as_an_absolute_path(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    Store("a/store.db", artifacts=engines.Path("b"), create=True)
    monkeypatch.chdir("/")

    assert Store(tmp_path / "a" / "store.db", create=True).artifacts == tmp_path / "b"


def test_password_is_never_shown(monkeypatch):
    pytest.importorskip("psycopg")

    text = message("postgresql://me:secret@127.0.0.1:1/none?connect_timeout=2")

    assert "does not answer" in text
    assert "secret" not in text


@pytest.mark.parametrize("make_empty_file", [False, True])
def test_a_store_is_made_only_where_one_is_wanted(tmp_path, make_empty_file):
    Store(tmp_path / "results.db", create=True)
    path = tmp_path / "result.db"
    if make_empty_file:
        path.touch()
    with pytest.raises(LeakboardError, match=r"no such store|no store yet") as refused:
        Store(path)
    assert make_empty_file or refused.value.nearest == str(tmp_path / "results.db")
    assert path.exists() == make_empty_file
    Store(path, create=True)
    Store(path).begin_run(RunInfo(grid_name="x"))


def test_an_empty_database_needs_everything(tmp_path):
    """As PostgreSQL hands it out, and as an interrupted copy leaves a file."""
    (tmp_path / "empty.db").touch()
    assert existing(tmp_path / "empty.db") is None
