"""Merging: everything arrives once, nothing is lost, sources stay as they are."""

import sqlite3
from contextlib import closing

import pandas as pd
import pytest

from helpers.small_stores import COMPONENTS, attempt, cell, component, fill, sha
from leakboard.errors import LeakboardError
from leakboard.store import MergeReport, RunInfo, Store, merge
from leakboard.store.artifacts import Artifacts


@pytest.fixture
def into(tmp_path):
    return Store(tmp_path / "into.db", create=True)


@pytest.fixture
def source(tmp_path):
    store = Store(tmp_path / "source.db", create=True)
    fill(store)
    return store


def dump(store):
    with closing(sqlite3.connect(store.place)) as connection:
        return list(connection.iterdump())


def test_merged_store_gives_the_same_frames(into, source):
    report = merge(into, [source])

    assert report == MergeReport(cells=3, attempts=3, results=6, artifacts=5)
    for name in ("results", "cells", "components", "runs", "tasks", "scores", "features"):
        pd.testing.assert_frame_equal(getattr(into, name)(), getattr(source, name)())


def test_how_images_were_fitted_comes_along(into, source):
    run = source.begin_run(RunInfo(grid_name="fitted"))
    padded = cell(7)
    source.record(run, cells=[padded], attempts=[attempt(padded, fit="8x8 padded to 16x16")])

    merge(into, [source])

    fits = into.results().drop_duplicates("cell").set_index("cell")["fit"]
    assert fits[padded.key] == "8x8 padded to 16x16"
    assert fits[cell(0).key] == ""


@pytest.mark.parametrize("bypass", ["query: predict_noise; output: decode", "nothing", ""])
def test_what_went_past_a_defense_comes_along(into, source, bypass):
    run = source.begin_run(RunInfo(grid_name="past"))
    source.record(run, cells=[cell(7)], attempts=[attempt(cell(7), bypass=bypass)])

    merge(into, [source])

    told = into.results().drop_duplicates("cell").set_index("cell")["bypass"]
    assert told[cell(7).key] == bypass


def test_merging_again_adds_nothing(into, source):
    merge(into, [source])
    before = dump(into)

    assert merge(into, [source, source]) == MergeReport()
    assert merge(into, [into]) == MergeReport()
    assert dump(into) == before


def test_source_stays_as_it_is(into, source):
    before = dump(source)

    merge(into, [Store(source.place, read_only=True)])

    assert dump(source) == before


def test_ids_are_mapped(into, source):
    """Both stores number their runs, components and attempts from 1."""
    other = component("victim", "another victim")
    run = into.begin_run(RunInfo(grid_name="mine", uid="mine"))
    mine = cell(50, victim=other.identity)
    into.record(run, components=[other, *COMPONENTS], cells=[mine], attempts=[attempt(mine, auc=0.5)])

    merge(into, [source])

    frame = into.results().query("measure == 'auc'").set_index("cell")
    assert frame.loc[mine.key, ["victim", "value"]].tolist() == ["another victim", 0.5]
    assert frame.loc[cell(0).key, ["victim", "value"]].tolist() == ["victim_a", 0.75]
    assert into.runs().set_index("id").loc[frame.loc[cell(0).key, "run"], "uid"] == "run one"
    assert len(frame) == 4


def test_newest_attempt_counts_whichever_store_it_was_in(into, source):
    run = into.begin_run(RunInfo(grid_name="later"))
    into.record(run, components=COMPONENTS, cells=[cell(0)], attempts=[attempt(cell(0), minutes=60, auc=0.25)])

    merge(into, [source])

    assert into.results().query("measure == 'auc'").set_index("cell")["value"][cell(0).key] == 0.25


def test_run_that_went_on_is_brought_up_to_date(into, tmp_path):
    source = Store(tmp_path / "going.db", create=True)
    run = source.begin_run(RunInfo(grid_name="going"))
    source.record(run, components=COMPONENTS, cells=[cell(0)], attempts=[attempt(cell(0))])
    merge(into, [source])
    source.record(run, cells=[cell(1)], attempts=[attempt(cell(1))])
    source.end_run(run, "done")

    assert merge(into, [source]) == MergeReport(cells=1, attempts=1, results=2)
    assert into.runs()["status"].tolist() == ["done"]
    assert len(into.runs()) == 1


def test_missing_and_damaged_files_are_counted_and_left_behind(into, source):
    files = Artifacts(source.artifacts)
    gone, bad = sha(f"scores {cell(0).key}"), sha(f"scores {cell(1).key}")
    files.drop(gone)
    files.path(bad).write_bytes(b"garbage")

    report = merge(into, [source])

    assert (report.artifacts, report.missing, report.damaged) == (3, 1, 1)
    assert not Artifacts(into.artifacts).has(bad)
    assert len(into.results()) == 6


def test_file_that_cannot_be_read_is_left_behind(into, source):
    bad = Artifacts(source.artifacts).path(sha("features"))
    bad.unlink()
    bad.mkdir()

    report = merge(into, [source])

    assert (report.artifacts, report.missing, report.damaged) == (4, 0, 1)


def test_damaged_file_is_made_good(into, source):
    merge(into, [source])
    files, key = Artifacts(into.artifacts), sha("features")
    files.path(key).write_bytes(b"garbage")

    assert merge(into, [source]).artifacts == 1
    assert files.whole(key)


def test_pruned_file_comes_back(into, source):
    merge(into, [source])
    key = sha("features")
    Artifacts(into.artifacts).drop(key)

    assert merge(into, [source]).artifacts == 1
    assert Artifacts(into.artifacts).has(key)


def test_read_only_target_is_refused(into, source):
    with pytest.raises(LeakboardError, match="reading only"):
        merge(Store(into.place, read_only=True), [source])

    assert not into.artifacts.exists()


@pytest.fixture
def other(tmp_path):
    """A store in which one cell has another number, of the same moment."""
    store = Store(tmp_path / "other.db", create=True)
    fill(store, uid="run two")
    with store.writing() as connection:
        connection.exec_driver_sql("update result set value = 0.3125 where attempt_id = 2 and measure = 'auc'")
    return store


def test_stores_that_differ_are_told_and_the_order_of_merging_changes_nothing(tmp_path, source, other):
    one, two = Store(tmp_path / "one.db", create=True), Store(tmp_path / "two.db", create=True)
    assert merge(one, [source, other]).differing == (cell(1).key,)
    assert merge(two, [other, source]).differing == (cell(1).key,)
    first, second = (
        store.results().sort_values(["cell", "measure"])[["cell", "measure", "value"]].reset_index(drop=True)
        for store in (one, two)
    )
    pd.testing.assert_frame_equal(first, second)
    assert 0.3125 in set(first["value"])


def test_strict_merging_refuses_before_anything_is_written(into, source, other):
    with pytest.raises(LeakboardError, match="differ in the numbers of 1 cells"):
        merge(into, [source, other], strict=True)
    assert len(into.cells()) == 0
    assert merge(into, [source, source], strict=True).cells == 3
