"""The schema: migrations and models say the same, and an old store becomes a new one."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from helpers.small_stores import fill
from leakboard.errors import LeakboardError
from leakboard.store import Store, database
from leakboard.store.tables import Base

OLD_STORES = sorted((Path(__file__).parent / "stores").glob("*.sql"))
NEXT = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "{number}", "{before}"
def upgrade():
    with op.batch_alter_table("cell") as cell:
        cell.add_column(sa.Column("note", sa.Text, nullable=False, server_default=""))
        cell.alter_column("attack", new_column_name="published")
"""


def schema(path):
    """Tables and indexes as SQLite keeps them, whatever the order of columns and the white space."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'"
        )
        return {
            name: sorted(re.sub(r"\s+", " ", part).strip(' )"') for part in sql.replace("\n)", "").split(","))
            for name, sql in rows
        }


def dump(path):
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.iterdump())


@pytest.fixture
def next_version(tmp_path, monkeypatch):
    """A Leakboard one schema ahead of this one."""
    folder = tmp_path / "migrations"
    shutil.copytree(database.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    last = database.revisions()[-1]
    number = f"{int(last) + 1:04}"
    (folder / "versions" / f"{number}_next.py").write_text(NEXT.format(number=number, before=last))
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", folder)
        yield patch


def test_migrations_and_models_agree(tmp_path):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    store = Store(tmp_path / "store.db", create=True)

    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrated_schema_is_the_one_the_models_would_make(tmp_path):
    """Also what autogenerate does not compare: names of constraints, and AUTOINCREMENT."""
    Store(tmp_path / "store.db", create=True)
    engine = create_engine(f"sqlite:///{tmp_path / 'models.db'}")
    Base.metadata.create_all(engine)
    engine.dispose()

    migrated = schema(tmp_path / "store.db")
    del migrated["alembic_version"]

    assert migrated == schema(tmp_path / "models.db")


def test_old_store_becomes_equal_to_a_fresh_one_and_a_copy_is_kept(tmp_path, next_version):
    path = tmp_path / "store.db"
    with next_version.context() as patch:
        patch.setattr(database, "MIGRATIONS", Path(database.__file__).parent / "migrations")
        fill(Store(path, create=True))
        before = dump(path)

    database.open_engine(path, read_only=False)
    database.open_engine(tmp_path / "fresh.db", read_only=False, create=True)

    assert schema(path) == schema(tmp_path / "fresh.db")
    assert "published" in str(schema(path))
    assert dump(tmp_path / "store.db.bak") == before
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM cell").fetchone() == (3,)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert not (tmp_path / "fresh.db.bak").exists()


def test_store_that_cannot_be_copied_is_not_upgraded(tmp_path, next_version):
    path = tmp_path / "store.db"
    with next_version.context() as patch:
        patch.setattr(database, "MIGRATIONS", Path(database.__file__).parent / "migrations")
        fill(Store(path, create=True))
        before = dump(path)
    (tmp_path / "store.db.bak").mkdir()

    with pytest.raises(LeakboardError, match="store"):
        database.open_engine(path, read_only=False)

    assert dump(path) == before


def test_old_store_is_not_upgraded_by_a_reader(tmp_path, next_version):
    path = tmp_path / "store.db"
    with next_version.context() as patch:
        patch.setattr(database, "MIGRATIONS", Path(database.__file__).parent / "migrations")
        fill(Store(path, create=True))
    before = dump(path)

    with pytest.raises(LeakboardError, match="older Leakboard") as caught:
        Store(path, read_only=True)

    assert "copy kept" in caught.value.next
    assert dump(path) == before


def test_store_of_the_next_version_is_refused(tmp_path, next_version):
    database.open_engine(tmp_path / "store.db", read_only=False, create=True)
    next_version.undo()

    for read_only in (True, False):
        with pytest.raises(LeakboardError, match="newer Leakboard"):
            Store(tmp_path / "store.db", read_only=read_only)


def test_failed_upgrade_changes_nothing(tmp_path, next_version):
    path = tmp_path / "store.db"
    with next_version.context() as patch:
        patch.setattr(database, "MIGRATIONS", Path(database.__file__).parent / "migrations")
        fill(Store(path, create=True))
    before = dump(path)
    (broken,) = (database.MIGRATIONS / "versions").glob("*_next.py")
    broken.write_text(broken.read_text() + "    raise RuntimeError('in the middle')\n")

    with pytest.raises(RuntimeError, match="in the middle"):
        Store(path, create=True)

    assert dump(path) == before


@pytest.mark.parametrize("old", OLD_STORES, ids=lambda path: path.stem)
def test_stores_of_every_past_version_open_and_give_their_numbers(tmp_path, old):
    """Dumps of stores as that version of Leakboard wrote them."""
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.executescript(old.read_text(encoding="utf-8"))

    store = Store(tmp_path / "store.db", create=True)

    auc = store.results().query("measure == 'auc'")
    assert auc["value"].tolist() == [0.75, 0.75, 0.75]
    assert auc["victim"].tolist() == ["victim_a"] * 3
    assert set(auc["fit"]) == {"" if old.stem < "0002" else "exact"}
    assert set(auc["note"]) == {"" if old.stem < "0003" else "measure late: ValueError: no"}
    measured = store.measured_by().values()
    assert list(measured) == [{} if old.stem < "0004" else {"auc": "of that day"}] * 3
    assert set(auc["bypass"]) == {"" if old.stem < "0005" else "query: predict_noise; output: decode, encode"}
    chosen = auc["calibration_auc"]
    assert chosen.isna().all() if old.stem < "0007" else chosen.tolist() == [0.625] * 3
    assert set(auc["chosen"]) == {"" if old.stem < "0008" else "loss(t=50)"}
    assert auc["members"].tolist() == auc["nonmembers"].tolist() == [8, 8, 8]
    assert store.runs()["status"].tolist() == ["done"]


def test_there_is_a_store_of_every_version():
    """A new migration comes with a dump of a store as it was before."""
    assert [path.stem for path in OLD_STORES] == database.revisions()
