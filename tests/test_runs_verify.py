"""A store that does not say what its files say is found out, and the cell is named."""

import os

import pytest
from click.testing import CliRunner

import leakboard
from helpers.tiny_grids import PLUGIN, tiny
from leakboard.cli import main
from leakboard.runs.verify import verify
from leakboard.store import Store
from leakboard.store.artifacts import Artifacts

GRID = {"observer": ["glance", "peek"], "classifier": ["mean", "centred"], "checks": {"permuted_labels": True}}


@pytest.fixture
def done(tmp_path):
    store = Store(tmp_path / "store.db", create=True)
    assert leakboard.run(tiny(**GRID), store).ok
    return store


def altered(store, statement):
    with store.writing() as connection:
        assert connection.exec_driver_sql(statement).rowcount == 1


def test_a_store_as_it_was_written_differs_in_nothing(done):
    found = verify(done)
    assert (found.cells, found.wrong, found.unchecked) == (8, (), ())
    assert found.files == len(done.artifact_rows())


@pytest.mark.parametrize("column", ["value", "low", "high", "n_member", "n_nonmember"])
@pytest.mark.parametrize("measure", ["auc", "balanced_accuracy"])
def test_a_number_that_its_scores_do_not_give_names_its_cell(done, column, measure):
    change = f"{column} + 1" if column.startswith("n_") else f"coalesce({column}, 0.5) * 1.0000001"
    altered(done, f"update result set {column} = {change} where attempt_id = 3 and measure = '{measure}'")
    (line,) = verify(done).wrong
    (key,) = (row.cell for row in done.cells().itertuples() if row.Index == 2)
    assert key[:12] in line
    assert f"{measure}: {column} is" in line


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("delete from result where attempt_id = 1 and measure = 'auc'", "auc is missing"),
        ("update attempt set nfe = nfe + 1 where id = 1", "nfe is"),
        ("update attempt set queries = queries + 1 where id = 1", "queries is"),
        ("update attempt set n_evaluation = 3 where id = 1", "n_evaluation is 3"),
        ("update attempt set scores_key = 'another' where id = 1", "not those of this cell"),
        ("update artifact set digest = 'x' where key = (select scores_key from attempt where id = 1)", "recorded"),
        ("update artifact set bytes = 1 where key = (select scores_key from attempt where id = 1)", "recorded"),
    ],
)
def test_other_columns_are_told_too(done, statement, told):
    altered(done, statement)
    assert any(told in line and "cell " in line for line in verify(done).wrong)


@pytest.mark.parametrize("kind", ["scores", "features", "samples", "preview"])
def test_a_flipped_byte_of_a_file_is_found_though_its_times_are_kept(done, kind):
    path = Artifacts(done.artifacts).path(next(iter(done.artifact_digests(kind))))
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (line,) = verify(done).wrong
    assert line.startswith(f"{kind} ")


@pytest.mark.parametrize(("kind", "wrong"), [("scores", 1), ("samples", 1), ("features", 0), ("preview", 0)])
def test_a_missing_file_is_told_and_is_wrong_where_nothing_prunes_it(done, kind, wrong):
    Artifacts(done.artifacts).drop(next(iter(done.artifact_digests(kind))))
    found = verify(done)
    assert len(found.wrong) == wrong
    assert wrong or found.unchecked == (f"1 {kind} that are not on disk",)


def test_the_command_ends_with_3_and_writes_nothing(done):
    assert CliRunner().invoke(main, ["verify", str(done.place), "--plugin", str(PLUGIN)]).exit_code == 0
    altered(done, "update result set value = 0.123 where attempt_id = 1 and measure = 'auc'")
    told = CliRunner().invoke(main, ["verify", str(done.place)])
    assert told.exit_code == 3
    assert "differs: cell " in told.output
    assert "auc: value is 0.123" in told.output
    assert "1 things differ" in told.output
