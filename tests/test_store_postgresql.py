"""The same store on a PostgreSQL server; runs when LEAKBOARD_TEST_POSTGRESQL holds the URL of an empty database."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import create_engine, text

from helpers.small_stores import attempt, cell, fill
from leakboard.errors import LeakboardError
from leakboard.runs.missing import existing
from leakboard.store import MergeReport, RunInfo, Store, merge
from leakboard.store.engines import locate
from leakboard.store.tables import Base

URL = os.environ.get("LEAKBOARD_TEST_POSTGRESQL", "")
pytestmark = pytest.mark.skipif(not URL, reason="LEAKBOARD_TEST_POSTGRESQL names no database")
ONE_AT_A_TIME = 20231109
"""Key of the server's lock that a test holds, since all of them empty and fill the same database."""


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engine = create_engine(locate(URL))
    with engine.connect() as holder:
        holder.execute(text(f"SELECT pg_advisory_lock({ONE_AT_A_TIME})"))
        holder.commit()
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE IF EXISTS alembic_version, bookmarks"))
            Base.metadata.drop_all(connection)
        yield URL
        holder.execute(text(f"SELECT pg_advisory_unlock({ONE_AT_A_TIME})"))
    engine.dispose()


def test_server_gives_the_same_frames_as_a_file(url, tmp_path):
    server, file = Store(url, create=True), Store(tmp_path / "store.db", create=True)
    for store in (server, file):
        rows = fill(store)
        run = store.begin_run(RunInfo(grid_name="again", uid="again"))
        store.record(run, attempts=[attempt(rows[0], "failed", minutes=9, error="a\0b\udc80")])

    assert server.artifacts == Path("leakboard-artifacts")
    assert server.latest_status() == file.latest_status()
    for name in ("results", "cells", "components", "failures", "tasks", "scores", "features"):
        pd.testing.assert_frame_equal(getattr(server, name)(), getattr(file, name)())
    assert len(Store(url, read_only=True).runs()) == 2


def test_migrations_and_models_agree_on_the_server(url):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with Store(url, create=True).reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_reader_cannot_write_on_the_server(url):
    store = Store(url, create=True)
    with pytest.raises(LeakboardError, match="read-only"), store.reading() as connection:
        connection.execute(text("DELETE FROM meta"))


def test_merging_between_file_and_server(url, tmp_path):
    file = Store(tmp_path / "store.db", create=True)
    fill(file)
    server = Store(url, create=True)

    assert merge(server, [file]) == MergeReport(cells=3, attempts=3, results=6, artifacts=5)
    assert merge(server, [file]) == MergeReport()
    assert merge(file, [server]) == MergeReport()


def test_missing_and_foreign_databases_are_told_apart(url):
    assert existing(url) is None
    with pytest.raises(LeakboardError, match="no store yet"):
        Store(url, read_only=True)
    engine = create_engine(locate(url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE bookmarks (url text)"))
    engine.dispose()
    with pytest.raises(LeakboardError, match="another program"):
        Store(url, create=True)


def test_processes_that_open_and_write_at_once_all_succeed(url):
    code = f"""if True:
        import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
        from helpers.small_stores import *
        from leakboard.store import Store
        run = Store(sys.argv[1], create=True).begin_run(RunInfo(grid_name=sys.argv[2]))
        for number in range(20):
            row = cell(number)
            Store(sys.argv[1], create=True).record(run, components=COMPONENTS, cells=[row], attempts=[attempt(row)])
    """
    command = [sys.executable, "-c", code, url]
    workers = [subprocess.Popen([*command, str(i)], stderr=subprocess.PIPE, text=True) for i in range(3)]

    assert [worker.communicate()[1] for worker in workers] == ["", "", ""]
    store = Store(url, create=True)
    assert set(store.latest_status()) == {cell(number).key for number in range(20)}
    assert len(store.runs()) == 3
