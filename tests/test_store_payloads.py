"""Scores and features as a store gives them from their files."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from helpers.small_stores import (
    AXES,
    START,
    component,
    fill,
    put_features,
    put_population,
    sha,
)
from leakboard.store import RunInfo, Store, payloads
from leakboard.store.artifacts import Artifacts


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store.db", create=True)


def test_scores_come_from_the_files(store):
    rows = fill(store)

    frame = store.scores()

    assert len(frame) == 9
    one = frame[frame["cell"] == rows[1].key]
    assert one["sample"].tolist() == ["x", "y", "z"]
    assert one["member"].tolist() == [True, False, True]
    assert one["score"].tolist() == [0.9, 0.1, 1 / 3]
    assert one["seed"].tolist() == [1, 1, 1]
    assert set(one["distance"]) == {"distance_a"}


def test_scores_of_one_cell_come_from_its_file_and_a_lost_file_gives_none(store):
    fill(store)
    key = store.cells()["scores_key"].iloc[0]

    ids, score, member = store.scores_of(key)
    assert ids == ("x", "y", "z")
    assert score.tolist() == [0.9, 0.1, 1 / 3]
    assert member.tolist() == [True, False, True]

    Artifacts(store.artifacts).drop(key)
    assert store.scores_of(key) is None


def test_features_come_from_the_files(store):
    fill(store)

    frame = store.features()

    assert frame["value"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert frame["sample"].tolist() == ["x", "x", "y", "y"]
    assert frame["member"].tolist() == [True, True, False, False]
    assert frame["column"].tolist() == ["step 1", "step 2"] * 2
    assert set(frame["victim"]) == {"victim_a"}


def test_features_come_in_one_order_whoever_was_first(tmp_path):
    """Which of several tasks finishes first depends on the executor."""
    frames = []
    for order in ((0, 10, 2), (2, 0, 10)):
        store = Store(tmp_path / f"{order[0]}.db", create=True)
        run = store.begin_run(RunInfo(grid_name="x"))
        for minute, seed in enumerate(order):
            row = put_features(Artifacts(store.artifacts), seed)
            store.record(run, artifacts=[replace(row, created=START + timedelta(minutes=minute))])
        frames.append(store.features())

    assert frames[0]["seed"].drop_duplicates().tolist() == [0, 2, 10]
    assert frames[0].equals(frames[1])


def test_digests_of_artifacts_are_told_by_kind(store):
    rows = fill(store)

    found = store.artifact_digests("scores")

    assert set(found) == {sha(f"scores {row.key}") for row in rows}
    artifacts = Artifacts(store.artifacts)
    for key, digest in found.items():
        assert hashlib.sha256(artifacts.path(key).read_bytes()).hexdigest() == digest
    assert store.artifact_digests("nothing") == {}


def test_features_take_member_flags_from_their_own_dataset(store):
    """Two datasets may have the same samples and split them otherwise."""
    other = component("dataset", "dataset_b")
    older = put_population(Artifacts(store.artifacts), other, member=(0, 1, 0))
    fill(store)
    store.record(1, components=[other], artifacts=[older])

    assert store.features()["member"].tolist() == [True, True, False, False]


def test_unreadable_files_leave_out_their_rows_and_are_told(store):
    rows = fill(store)
    artifacts = Artifacts(store.artifacts)
    artifacts.drop(sha(f"scores {rows[0].key}"))
    path = artifacts.path(sha(f"scores {rows[1].key}"))
    path.write_bytes(path.read_bytes()[:-1])

    frame = store.scores()

    assert set(frame["cell"]) == {rows[2].key}
    assert ["missing" in message or "damaged" in message for message in frame.attrs["unreadable"]] == [True, True]


def put_wide(store, columns, dtype=np.float64):
    meta = {axis: f"{axis}_a(full=1)" for axis in AXES[:-1]} | {"seed": "7", "ids": json.dumps(["x", "y"])}
    meta |= {"columns": json.dumps([f"c{number}" for number in range(columns)]), "shapes": "[]"}
    values = np.arange(2 * columns, dtype=dtype).reshape(2, columns) / 4
    made = Artifacts(store.artifacts).put(sha(f"wide {columns}"), {"values": values}, meta, "features")
    store.record(store.begin_run(RunInfo(grid_name="wide")), artifacts=[made])
    return made


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_features_of_many_columns_are_rows_of_doubles_however_they_are_kept(store, dtype):
    put_wide(store, 5, dtype)

    frame = store.features()
    assert frame["value"].tolist() == [number / 4 for number in range(10)]
    assert frame["value"].dtype == "float64"
    assert frame["column"].tolist() == [f"c{number}" for number in range(5)] * 2


def test_features_that_would_fill_the_memory_are_left_out_and_told(store):
    fill(store)
    wide = put_wide(store, payloads.WIDEST + 1)
    put_wide(store, payloads.WIDEST)

    frame = store.features()

    assert len(frame) == 4 + 2 * payloads.WIDEST
    (told,) = frame.attrs["unreadable"]
    assert told == (
        f"artifact {wide.key}: observer_a(full=1) | distance_a(full=1): {payloads.WIDEST + 1} columns a sample, "
        f"more than the {payloads.WIDEST} that are shown"
    )
