"""Exports: what is read back is what was stored, and a failed export leaves the old file."""

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.command_line import call
from helpers.small_stores import COMPONENTS, attempt, cell, fill, sha
from leakboard.errors import LeakboardError
from leakboard.store import RunInfo, Store, as_csv, export
from leakboard.store.artifacts import Artifacts
from leakboard.store.exporting import TAKEN_FOR_MISSING
from leakboard.store.latex import table

READERS = {
    "csv": lambda path: pd.read_csv(path, dtype={"labels": str}),
    "parquet": pd.read_parquet,
    "json": lambda path: pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))),
}
TABLES = ("results", "scores", "features", "failures")


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store.db", create=True)
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
    if "role" in frame:
        frame["role"] = frame["role"].replace("null", "null check")
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
    empty = Store(tmp_path / "empty.db", create=True)

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

    def full(*_):
        raise OSError(28, "No space left")

    monkeypatch.setattr(Path, "replace", full)

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


@pytest.mark.parametrize(("name", "format"), [("a.csv", "csv"), ("a.PARQUET", "parquet"), ("a.json", "json")])
def test_the_ending_tells_the_format(store, tmp_path, name, format):
    export(store, "results", None, tmp_path / name)

    assert len(READERS[format](tmp_path / name)) == len(store.results())


@pytest.mark.parametrize(
    ("name", "format", "said"),
    [
        ("a.parquet", "csv", "is parquet, and csv was asked for"),
        ("a", None, "the file has no ending"),
        ("a.xlsx", None, "ends in '.xlsx'"),
        ("a.tex", "json", "is latex, and json"),
    ],
)
def test_an_ending_that_tells_something_else_or_nothing_is_refused(store, tmp_path, name, format, said):
    with pytest.raises(LeakboardError, match=re.escape(said)):
        export(store, "results", format, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_standard_output_holds_the_table_and_nothing_else(store, tmp_path):
    done = call("export", store.place, "--what", "results", "--out", "-", "--format", "json")

    assert len(json.loads(done.stdout)) == len(store.results())
    assert f"{len(store.results())} rows" in done.stderr
    assert call("export", store.place, "--out", "-").stdout.startswith("cell,dataset,")


def test_no_text_is_read_from_csv_as_missing(tmp_path):
    store = Store(tmp_path / "other.db", create=True)
    run = store.begin_run(RunInfo(grid_name="g"))
    rows = [cell(0, role="null"), cell(1, attack="NA"), cell(2, attack="")]
    store.record(run, components=COMPONENTS, cells=rows, attempts=[attempt(row) for row in rows])
    export(store, "results", None, tmp_path / "r.csv")

    back = pd.read_csv(tmp_path / "r.csv").drop_duplicates("cell").set_index("cell")
    assert back.loc[[row.key for row in rows], "role"].tolist() == ["null check", "attack", "attack"]
    assert back.loc[rows[1].key, "attack"] == "'NA'"
    assert pd.isna(back.loc[rows[2].key, "attack"])


def test_pandas_takes_every_one_of_these_texts_for_missing_and_none_as_they_are_written():
    texts = pd.DataFrame({"text": sorted(TAKEN_FOR_MISSING)})

    assert pd.read_csv(io.BytesIO(texts.to_csv(index=False).encode()))["text"].isna().all()
    assert pd.read_csv(io.BytesIO(as_csv(texts)))["text"].tolist() == [f"'{text}'" for text in texts["text"]]


def test_scores_without_their_folder_are_an_error_that_names_it(store, tmp_path):
    shutil.move(store.artifacts, tmp_path / "elsewhere")

    with pytest.raises(LeakboardError, match="--artifacts") as refused:
        export(store, "scores", None, tmp_path / "s.csv")
    assert str(store.artifacts) in str(refused.value)
    done = call(
        "export", store.place, "--what", "scores", "--out", tmp_path / "s.csv", "--artifacts", tmp_path / "elsewhere"
    )
    assert "left out" not in done.stderr
    assert (
        "there is no folder"
        in call("export", store.place, "--out", tmp_path / "s.csv", "--artifacts", tmp_path / "nowhere", code=2).output
    )


def test_latex_is_a_table_of_attacks(store, tmp_path):
    export(store, "results", None, tmp_path / "t.tex")

    text = (tmp_path / "t.tex").read_text(encoding="utf-8")
    attacks = store.results().query("role == 'attack'")
    assert text.count("tabular") == 2
    assert text.count(r" \\") == attacks["cell"].nunique() + 1
    assert not re.search(r"(?<!\\)_", text)
    assert "NFE" in text
    assert re.search(r"n \d+\+\d+|\d+\+\d+ &", text)
    with pytest.raises(LeakboardError, match="no LaTeX of scores"):
        export(store, "scores", "latex", tmp_path / "t.tex")


def test_latex_hides_and_marks_rates_that_too_few_samples_are_there_for(store):
    results = store.results()
    one = results["measure"] == results["measure"].iloc[-1]
    cells = results[one & (results["role"] == "attack")]["cell"].nunique()
    assert cells
    for flag, hidden, marked in (("hidden", cells, 0), ("uncalibrated", 0, cells + 1), ("", 0, 0)):
        text = table(results.assign(flag=np.where(one, flag, "")))
        assert (text.count("-- ") + text.count("--\\"), text.count(r"\dagger")) == (hidden, marked), flag


def test_a_measure_that_nobody_measured_is_refused_by_name(store):
    with pytest.raises(LeakboardError, match="no cell has the measure 'aucc'") as caught:
        store.results("aucc")
    assert caught.value.nearest == "auc"
    assert set(store.results("auc")["measure"]) == {"auc"}
