"""Exports: what is read back is what was stored, and a failed export leaves the old file."""

import json

import pandas as pd
import pytest

from helpers.small_stores import attempt, cell, fill, sha
from leakboard.errors import LeakboardError
from leakboard.store import RunInfo, Store, export
from leakboard.store.artifacts import Artifacts

READERS = {
    "csv": lambda path: pd.read_csv(path, dtype={"labels": str}),
    "parquet": pd.read_parquet,
    "json": lambda path: pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))),
}
TABLES = ("results", "scores", "features", "failures")


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store.db")
    fill(store)
    run = store.begin_run(RunInfo(grid_name="bad"))
    store.record(
        run, cells=[cell(9)], attempts=[attempt(cell(9), "failed", error='comma, "quote"', traceback="two\nlines é")]
    )
    store.record(run, cells=[cell(10)], attempts=[attempt(cell(10), fit="8x8 padded to 16x16, and back")])
    return store


@pytest.mark.parametrize("what", TABLES)
@pytest.mark.parametrize("format", READERS)
def test_round_trip(store, tmp_path, what, format):
    out = tmp_path / f"out.{format}"

    done = export(store, what, format, out)

    frame = getattr(store, what)()
    back = READERS[format](out)
    assert (done.path, done.rows, done.unreadable) == (out, len(frame), ())
    assert list(back.columns) == list(frame.columns)
    for column in frame:
        if column == "created":
            assert (pd.to_datetime(back[column], utc=True) == frame[column]).all()
        elif pd.api.types.is_float_dtype(frame[column]):
            pd.testing.assert_series_equal(back[column].astype(float), frame[column], rtol=1e-14)
        else:
            text = ["" if pd.isna(value) else str(value) for value in back[column]]
            assert text == frame[column].astype(str).tolist()
    assert [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize("format", READERS)
def test_exported_results_tell_how_images_were_fitted(store, tmp_path, format):
    export(store, "results", format, tmp_path / "out")

    back = READERS[format](tmp_path / "out").set_index("cell")
    assert set(back.loc[[cell(10).key], "fit"]) == {"8x8 padded to 16x16, and back"}


@pytest.mark.parametrize("what", TABLES)
@pytest.mark.parametrize("format", READERS)
def test_empty_store_exports_an_empty_table(tmp_path, what, format):
    empty = Store(tmp_path / "empty.db")

    assert export(empty, what, format, tmp_path / "out").rows == 0
    assert len(READERS[format](tmp_path / "out")) == 0


def test_missing_scores_are_told(store, tmp_path):
    Artifacts(store.artifacts).drop(sha(f"scores {cell(0).key}"))

    done = export(store, "scores", "csv", tmp_path / "out.csv")

    assert done.rows == 6
    assert len(done.unreadable) == 1


def test_failed_export_keeps_the_old_file(store, tmp_path, monkeypatch):
    out = tmp_path / "out.csv"
    out.write_text("old")
    monkeypatch.setattr(
        pd.DataFrame, "to_csv", lambda *args, **more: (_ for _ in ()).throw(OSError(28, "No space left"))
    )

    with pytest.raises(LeakboardError, match="No space left"):
        export(store, "results", "csv", out)

    assert out.read_text() == "old"
    assert [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_unknown_table_format_and_folder_are_told(store, tmp_path):
    with pytest.raises(LeakboardError, match="did you mean: results"):
        export(store, "result", "csv", tmp_path / "out")
    with pytest.raises(LeakboardError, match="did you mean: parquet"):
        export(store, "results", "parket", tmp_path / "out")
    with pytest.raises(LeakboardError, match="cannot write the table"):
        export(store, "results", "csv", tmp_path / "nowhere" / "out")
