"""Files that a grid rests on: found ones are recorded, spoilt ones made again, missing ones told."""

import os

import pytest
from click.testing import CliRunner

import leakboard
from helpers.tiny_grids import PLUGIN, numbers, payloads, same, tiny, toml
from leakboard.cli import main
from leakboard.store import Store
from leakboard.store.artifacts import Artifacts

AXES = {"defense": ["none", "fog"], "observer": ["glance", "peek"], "attacker": ["naive"]}


@pytest.fixture
def done(tmp_path):
    """A store with all results, and the features it exports."""
    store = Store(tmp_path / "store.db", create=True)
    assert leakboard.run(tiny(**AXES), store).ok
    return store


def forget(store, kind):
    """As a run leaves it that was killed between a file and its row."""
    with store.writing() as connection:
        connection.exec_driver_sql(f"delete from artifact where kind = '{kind}'")


def keys(store, kind="features"):
    return list(store.artifact_digests(kind))


def flip(path, moment=5):
    """One byte of the payload, and a later time of change."""
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    os.utime(path, (path.stat().st_mtime + moment,) * 2)


@pytest.mark.parametrize("kind", ["features", "samples", "preview"])
def test_files_that_nobody_wrote_down_are_recorded_though_every_result_is_there(done, kind):
    before, rows = done.features(), done.artifact_rows()
    forget(done, kind)
    report = leakboard.run(tiny(**AXES), done)
    assert report.evaluations == 0
    assert done.features().equals(before)
    assert {key: row.digest for key, row in done.artifact_rows().items()} == {k: row.digest for k, row in rows.items()}
    assert leakboard.plan(tiny(**AXES), done).empty


def test_a_store_that_was_deleted_lists_all_features_again(tmp_path, done):
    again = Store(tmp_path / "again.db", artifacts=done.artifacts, create=True)
    report = leakboard.run(tiny(**AXES), again)
    assert (report.ok, report.evaluations) == (True, 0)
    assert again.features().equals(done.features())
    assert numbers(again).equals(numbers(done))


@pytest.mark.parametrize(
    "how", [flip, lambda path: path.write_bytes(path.read_bytes()[:99]), lambda p: p.write_text("")]
)
def test_features_damaged_after_scoring_are_made_again(done, how):
    before, files, kept = done.features(), Artifacts(done.artifacts), payloads(done, "features")
    for key in keys(done)[:2]:
        how(files.path(key))
    report = leakboard.run(tiny(**AXES), done)
    assert report.ok
    assert report.evaluations > 0
    assert len(report.plan.again) == 2
    assert done.features().equals(before)
    assert same(payloads(done, "features"), kept)
    assert leakboard.plan(tiny(**AXES), done).empty


def test_missing_features_are_told_and_made_again_when_asked_for(done):
    before, files = done.features(), Artifacts(done.artifacts)
    for key in keys(done)[:3]:
        files.drop(key)
    assert leakboard.plan(tiny(**AXES), done).absent == 3
    assert leakboard.run(tiny(**AXES), done).evaluations == 0
    assert len(done.features().attrs["unreadable"]) == 3
    assert leakboard.run(tiny(**AXES), done, features=True).ok
    assert done.features().equals(before)


def test_features_of_some_cells_only_are_made_again_in_a_run_that_makes_others(done):
    files, before = Artifacts(done.artifacts), len(done.features())
    files.path(keys(done)[0]).write_bytes(b"garbage")
    assert leakboard.run(tiny(**{**AXES, "distance": ["gap", "gap(power=2.0)"]}), done).ok
    assert len(done.features()) == 2 * before
    assert done.features().attrs["unreadable"] == []


@pytest.mark.parametrize("how", [flip, lambda path: path.unlink()])
def test_a_spoilt_list_of_samples_is_told_in_the_export_and_made_again(done, how):
    before = done.features()
    (key,) = keys(done, "samples")
    how(Artifacts(done.artifacts).path(key))
    spoilt = done.features()
    assert spoilt["member"].isna().all()
    assert "member of the samples of tiny" in spoilt.attrs["unreadable"][0]
    assert leakboard.run(tiny(**AXES), done).evaluations == 0
    assert done.features().equals(before)


@pytest.mark.parametrize("kind", ["features", "scores", "samples"])
def test_a_folder_that_is_not_empty_in_a_files_place_is_set_aside(done, kind):
    before, files = done.features(), Artifacts(done.artifacts)
    path = files.path(keys(done, kind)[0])
    path.unlink()
    path.mkdir()
    (path / "somebody's").write_text("notes")
    assert leakboard.run(tiny(**AXES), done).ok
    assert done.features().equals(before)
    assert (path.with_name(f"{path.name}.aside") / "somebody's").read_text() == "notes"


def test_a_file_in_a_folders_place_is_set_aside(done):
    path = Artifacts(done.artifacts).path(keys(done)[0]).parent
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    path.write_text("notes")
    assert leakboard.run(tiny(**AXES), done, features=True).ok
    assert path.with_name(f"{path.name}.aside").read_text() == "notes"


def test_the_command_says_what_is_missing_and_makes_it_again(tmp_path):
    (tmp_path / "grid.toml").write_text(toml(classifier=["mean"]))
    command = ["run", str(tmp_path / "grid.toml"), "--store", str(tmp_path / "s.db"), "--executor", "serial"]
    command += ["--plugin", str(PLUGIN)]
    CliRunner().invoke(main, command)
    store = Store(tmp_path / "s.db", create=True)
    Artifacts(store.artifacts).drop(keys(store)[0])
    told = CliRunner().invoke(main, command)
    assert "features that are not on disk: 1 (run --features makes them again)" in told.output
    again = CliRunner().invoke(main, [*command, "--features"])
    assert again.exit_code == 0
    assert store.features().attrs["unreadable"] == []
