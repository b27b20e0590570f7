"""The store: whole tasks, append-only attempts, and frames that count only the last one."""

import math
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import func, select

from helpers.small_stores import (
    AXES,
    COMPONENTS,
    START,
    attempt,
    cell,
    component,
    fill,
    sha,
    task,
)
from leakboard.errors import LeakboardError
from leakboard.store import ArtifactRow, AttemptRow, CellRow, ComponentRow, ResultRow, RunInfo, Store, TaskRow
from leakboard.store.tables import (
    ArtifactTable,
    AttemptTable,
    CellTable,
    ComponentTable,
    ResultTable,
    RunTable,
    TaskTable,
)

TESTS = str(Path(__file__).parent)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store.db", create=True)


def count(store, table):
    with store.reading() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def python(code, *arguments):
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {TESTS!r})\n" + textwrap.dedent(code), *arguments]


def test_results_are_tidy(store):
    rows = fill(store)

    frame = store.results()

    assert len(frame) == 6
    first = frame[(frame["cell"] == rows[0].key) & (frame["measure"] == "auc")].iloc[0]
    for axis in AXES:
        assert first[axis] == f"{axis}_a"
    assert (first["value"], first["low"], first["high"]) == (0.75, 0.65, 0.85)
    assert (first["n_member"], first["method"], first["flag"]) == (4, "delong", "")
    assert (first["attacker"], first["labels"], first["role"], first["access"]) == (
        "adaptive",
        "true",
        "attack",
        "gray",
    )
    assert (first["queries"], first["nfe"], first["seconds"]) == (2.0, 20.0, 1.5)
    assert first["fit"] == ""
    assert math.isnan(first["peak_mb"])
    assert first["created"] == pd.Timestamp(START)
    assert str(frame["created"].dt.tz) == "UTC"
    assert frame[frame["measure"] == "tpr_at_1"]["low"].isna().all()


def test_empty_store_has_the_same_columns_and_types_as_a_full_one(store, tmp_path):
    full = Store(tmp_path / "full.db", create=True)
    fill(full)

    for name in ("results", "cells", "failures", "scores", "features", "components", "runs", "tasks"):
        pd.testing.assert_index_equal(getattr(store, name)().columns, getattr(full, name)().columns)
    pd.testing.assert_series_equal(store.results().dtypes, full.results().dtypes)


def test_attempts_are_appended_and_only_the_last_one_counts(store):
    (row,) = fill(store, cells=1)
    run = store.begin_run(RunInfo(grid_name="again"))
    assert store.latest_status() == {row.key: "done"}

    store.record(run, attempts=[attempt(row, "failed", minutes=10, error="ValueError: no")])
    assert store.latest_status() == {row.key: "failed"}
    assert store.results().empty
    assert store.cells()["status"].tolist() == ["failed"]

    store.record(run, attempts=[attempt(row, minutes=20, auc=0.5)])
    assert store.results().query("measure == 'auc'")["value"].tolist() == [0.5]
    assert count(store, AttemptTable) == 3


@pytest.mark.parametrize("minutes", [-10, 0], ids=["set back", "standing still"])
def test_the_last_attempt_counts_whatever_the_clock_said(store, minutes):
    """What a store records is newer than what it has; merging, which adds older attempts, goes by the time."""
    (row, other) = fill(store, cells=2)
    run = store.begin_run(RunInfo(grid_name="again"))

    store.record(run, attempts=[attempt(row, "timeout", minutes=minutes), attempt(other, "failed", minutes=5)])
    assert store.latest_status() == {row.key: "timeout", other.key: "failed"}
    assert store.cells().set_index("cell")["created"][other.key] == pd.Timestamp(START + timedelta(minutes=5))

    store.record(run, attempts=[attempt(row, "failed", minutes=minutes)])
    assert store.latest_status()[row.key] == "failed"


def test_recording_again_inserts_nothing_twice_but_renames(store):
    rows = fill(store)
    run = store.begin_run(RunInfo(grid_name="again"))

    store.record(run, components=COMPONENTS, cells=[*rows, cell(0, attack="secmi", role="null")])

    assert (count(store, CellTable), count(store, ComponentTable)) == (3, len(AXES))
    names = store.results().drop_duplicates("cell").set_index("cell").loc[rows[0].key, ["attack", "role"]]
    assert names.tolist() == ["secmi", "null"]


def test_record_is_all_or_nothing(store):
    fill(store, cells=1)
    run = store.begin_run(RunInfo(grid_name="bad"))
    twice = ResultRow(measure="auc", value=0.5, n_member=1, n_nonmember=1)

    with pytest.raises(LeakboardError, match="refused"):
        store.record(run, cells=[cell(9)], attempts=[attempt(cell(9), results=(twice, twice))])

    assert (count(store, CellTable), count(store, AttemptTable)) == (1, 1)


def test_unknown_component_is_named(store):
    with pytest.raises(LookupError, match="names the dataset"):
        store.record(store.begin_run(RunInfo(grid_name="bad")), cells=[cell(0)])


def test_foreign_keys_are_enforced(store):
    fill(store, cells=1)

    with pytest.raises(LeakboardError, match="FOREIGN KEY"):
        store.record(99, attempts=[attempt(cell(0), minutes=1)])


def test_undefined_value_is_nan_and_odd_text_is_kept(store):
    fill(store, cells=1)
    run = store.begin_run(RunInfo(grid_name="odd"))
    nan = ResultRow(measure="auc", value=math.nan, n_member=1, n_nonmember=1)

    store.record(run, attempts=[attempt(cell(0), minutes=1, results=(nan,), error="a\0b\udc80é")])

    assert store.results()["value"].isna().tolist() == [True]
    assert store.cells()["error"].tolist() == ["ab?é"]


def test_components_with_one_label_and_other_code_are_told_apart(store):
    """After a plugin was edited its old cells keep their rows, under a label that says which."""
    fill(store, cells=1)
    edited = component("distance", "distance_a", version="2")
    run = store.begin_run(RunInfo(grid_name="edited"))
    new = cell(7, distance=edited.identity)
    store.record(run, components=[edited], cells=[new], attempts=[attempt(new, minutes=5)])

    labels = store.cells().set_index("cell")["distance"]

    assert labels[new.key] == "distance_a"
    assert labels[cell(0).key] == f"distance_a #{sha('distancedistance_a')[:6]}"
    assert set(store.components().query("kind == 'distance'")["label"]) == set(labels)


def test_failures_are_grouped_most_frequent_first(store):
    rows = fill(store, cells=4)
    run = store.begin_run(RunInfo(grid_name="bad"))
    wrong = [attempt(row, "failed", minutes=9, error="NaN", traceback=f"at {row.seed}") for row in rows[:2]]
    late = attempt(rows[2], "timeout", minutes=9, error="past 60 s")
    store.record(run, attempts=[late, *wrong])

    frame = store.failures()

    assert frame["status"].tolist() == ["failed", "timeout"]
    assert frame["count"].tolist() == [2, 1]
    assert frame["error"][0] == "NaN"
    assert (frame["cell"][0], frame["traceback"][0]) == (rows[0].key, "at 0")
    assert frame["axes"][0] == " ".join(f"{axis}_a" for axis in AXES)


def test_components_runs_and_tasks(store):
    fill(store)

    components, runs, tasks = store.components(), store.runs(), store.tasks()

    assert components["info"][0] == {"access": "gray"}
    assert components["spec"][0] == f"{components['label'][0]}(full=1)"
    assert runs["status"].tolist() == ["done"]
    assert runs["provenance"][0] == {"git": "abc"}
    assert socket.gethostname() not in runs["host"][0]
    assert tasks[["kind", "nfe", "run"]].to_numpy().tolist() == [["observe", 8.0, 1]]


def test_history_gives_median_seconds(store):
    run = store.begin_run(RunInfo(grid_name="history"))
    assert (store.seconds_per_evaluation(), store.seconds_per_cell()) == ({}, None)

    for seconds in (1.0, 2.0, 30.0):
        store.record(run, task=task(seconds=seconds, nfe=10.0))
        store.record(run, task=task(kind="score", seconds=seconds, nfe=0.0, cells=4))
    store.record(run, task=task(seconds=99.0, status="failed"))
    store.record(run, task=task(seconds=4.0, nfe=2.0, victim=sha("other")))

    assert store.seconds_per_evaluation() == {sha("v"): 0.2, sha("other"): 2.0}
    assert store.seconds_per_cell() == 0.5


def test_run_whose_process_is_gone_becomes_interrupted(store):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ids = {
        "gone": store.begin_run(RunInfo(grid_name="gone", pid=gone.pid)),
        "other boot": store.begin_run(RunInfo(grid_name="boot", boot_id="another")),
        "number used again": store.begin_run(RunInfo(grid_name="reused", started=START)),
        "other machine": store.begin_run(RunInfo(grid_name="far", host="elsewhere", pid=gone.pid)),
        "alive": store.begin_run(RunInfo(grid_name="alive")),
    }
    store.begin_run(RunInfo(grid_name="next"))

    status = store.runs().set_index("id")["status"]

    assert {name for name, run in ids.items() if status[run] == "interrupted"} == {
        "gone",
        "other boot",
        "number used again",
    }


def test_killed_process_leaves_a_consistent_store(tmp_path):
    """SIGKILL in the midst of recording: every task is there whole or not at all, and the store goes on."""
    code = """
        from helpers.small_stores import *
        from leakboard.store import Store
        store = Store(sys.argv[1], create=True)
        run = store.begin_run(RunInfo(grid_name="killed"))
        for number in range(100_000):
            row = cell(number)
            store.record(run, components=COMPONENTS, cells=[row], attempts=[attempt(row)] * 3, task=task())
            if number == 5: print("going", flush=True)
    """
    path = tmp_path / "store.db"
    process = subprocess.Popen(python(code, str(path)), stdout=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    reader = Store(path, read_only=True)
    done = count(reader, CellTable)

    assert done > 5
    assert count(reader, AttemptTable) == 3 * done
    assert count(reader, ResultTable) == 6 * done
    assert len(reader.tasks()) == done
    store = Store(path, create=True)
    store.begin_run(RunInfo(grid_name="next"))
    assert store.runs()["status"].tolist() == ["interrupted", "running"]


def test_processes_that_open_and_write_at_once_are_never_locked_out(tmp_path):
    """They also create the store at once, and each opens its own connections again and again."""
    code = """
        from helpers.small_stores import *
        from leakboard.store import Store
        run = Store(sys.argv[1], create=True).begin_run(RunInfo(grid_name=sys.argv[2]))
        for number in range(60):
            row = cell(number)
            store = Store(sys.argv[1], create=True)
            store.record(run, components=COMPONENTS, cells=[row], attempts=[attempt(row)])
            store.latest_status()
    """
    path = tmp_path / "store.db"
    workers = [subprocess.Popen(python(code, str(path), str(i)), stderr=subprocess.PIPE, text=True) for i in range(3)]

    errors = [worker.communicate()[1] for worker in workers]

    assert errors == ["", "", ""]
    store = Store(path, read_only=True)
    assert (count(store, CellTable), count(store, AttemptTable), count(store, RunTable)) == (60, 180, 3)


def test_forked_child_does_not_disturb_the_store(store):
    """Executors may fork: no connection is open then, so none is shared."""
    rows = fill(store)
    child = os.fork() if hasattr(os, "fork") else pytest.skip("no fork here")
    if child == 0:
        os._exit(0 if len(store.latest_status()) == len(rows) else 1)

    assert os.waitpid(child, 0)[1] == 0
    store.begin_run(RunInfo(grid_name="after"))
    assert len(store.runs()) == 2


def test_importing_the_store_imports_nothing_heavy():
    code = "import leakboard.store, sys; print({'torch', 'pandas', 'alembic', 'scipy'} & set(sys.modules))"

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


@pytest.mark.parametrize(
    ("row", "table"),
    [
        (RunInfo, RunTable),
        (ComponentRow, ComponentTable),
        (CellRow, CellTable),
        (AttemptRow, AttemptTable),
        (ResultRow, ResultTable),
        (TaskRow, TaskTable),
        (ArtifactRow, ArtifactTable),
    ],
)
def test_rows_and_tables_have_the_same_columns(row, table):
    """A column is added in both, and nowhere else but in a migration."""
    given = {"id", "run_id", "attempt_id", "status", "finished"} - {field.name for field in fields(AttemptRow)}
    given |= {"status"} if row is RunInfo else set()
    columns = {
        column.name.removesuffix("_id") if column.name[:-3] in AXES else column.name
        for column in table.__table__.columns
    }

    assert columns - given == {field.name for field in fields(row)} - {"results"}


def test_frames_tell_every_column_of_an_attempt(store):
    fill(store)
    names = {field.name for field in fields(AttemptRow)} - {"cell_key", "traceback", "results"}

    assert names <= set(store.cells().columns)
    assert {field.name for field in fields(ResultRow)} <= set(store.results().columns)


def test_what_a_reader_must_know_stands_beside_the_numbers(store):
    (row,) = fill(store, cells=1)
    store.record(1, attempts=[attempt(row, minutes=1, note="one\0\ntwo", measured_by={"auc": "a"})])

    assert set(store.results()["note"]) == {"one\ntwo"}
    assert store.cells()["note"].tolist() == ["one\ntwo"]
    assert store.measured_by() == {row.key: {"auc": "a"}}


def test_attempts_that_count_come_back_as_they_were_recorded(store):
    rows = fill(store)
    again = attempt(
        rows[1],
        minutes=30,
        scores_key="s",
        seconds=0.5,
        queries=2.0,
        fit="exact",
        note="n",
        bypass="nothing",
        measured_by={"auc": "m"},
    )
    store.record(1, attempts=[attempt(rows[0], "failed", minutes=30), again])

    assert store.last_attempts([rows[1].key]) == [again]
    assert [found.status for found in store.last_attempts([row.key for row in rows])] == ["done", "failed", "done"]
    assert store.measured_by() == {rows[1].key: {"auc": "m"}, rows[2].key: {}}
