"""Any measure that a store has numbers of stands in the leaderboard; what is missing is said to be missing."""

from __future__ import annotations

import csv
import dataclasses
import json
import re

import pandas as pd
import pytest

from helpers import synthetic_store
from helpers.browsing import in_browser
from helpers.synthetic_store import MEASURES, SMALL, made, report
from leakboard.api import Measure
from leakboard.store import Store
from leakboard_reports import measures, nulls, summary, tables
from leakboard_reports.hooks import leakboard_report
from leakboard_reports.reading import Estimate, read_cells

ADVANTAGE = Measure("advantage", None, "membership advantage", "+.1%")
NOTE = "refused after 5 queries by budget(queries=5) <b>"


class Further(Store):
    """A store with a measure more of some cells, and with a note on the results of others."""

    def results(self):
        found = super().results()
        note = found["attack"].map({"pia": NOTE}).fillna("")
        auc = found[(found["measure"] == "auc") & found["observer"].str.startswith("complete")]
        more = [auc.assign(measure="advantage", value=2 * auc["value"] - 1, low=float("nan"), high=float("nan"))]
        more += [auc.assign(measure="odd.name_1", value=12.5, low=12.25, high=13.0)]
        return pd.concat([found.assign(note=note), *more], ignore_index=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("measures") / "demo.db"
    synthetic_store.build(path, **SMALL)
    return Further(path, read_only=True)


@pytest.fixture(scope="module")
def page(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report"
    return leakboard_report(store, out, [], [*MEASURES, ADVANTAGE], pictures=False)


def block(page, name):
    return json.loads(re.search(rf'id="{name}">(.*?)</script>', page.read_text()).group(1))


def test_columns_are_auc_then_what_is_known_then_the_rest_by_name():
    cell = dataclasses.replace(made(0.8), measures=dict.fromkeys(["z", "b", "auc", "advantage"], made(0.8).auc))
    found = measures.columns([cell], [ADVANTAGE, *MEASURES])
    assert [column.name for column in found] == ["auc", "advantage", "b", "z"]
    assert [column.title for column in found] == ["AUC", "Membership advantage", "b", "z"]


@pytest.mark.parametrize(
    ("spec", "value", "text"),
    [
        ("+.1%", -0.25, "\N{MINUS SIGN}25.0%"),
        (".3f", 0.0, "0.000"),
        (".3f", None, "not measured"),
        ("no spec", 0.123456789, "0.123457"),
    ],
)
def test_numbers_are_written_as_their_measure_says(spec, value, text):
    assert measures.Column("m", "m", spec).write(value) == text


def test_a_further_measure_is_a_column_of_page_and_csv(page, store):
    labels = {key: (label, kind, shown) for key, label, kind, shown, _ in block(page, "board-columns")}
    assert labels["advantage"] == ("Membership advantage", "measure", True)
    assert labels["odd.name_1"] == ("odd.name_1", "measure", True)
    rows = list(csv.DictReader((page.parent / "data" / "leaderboard.csv").read_text().splitlines()))
    has = {row["observer"].startswith("complete") for row in rows if row["advantage"]}
    assert has == {True}
    assert {row["advantage"] for row in rows if not row["observer"].startswith("complete")} == {""}
    first = next(row for row in rows if row["advantage"])
    assert float(first["advantage"]) == pytest.approx(2 * float(first["auc"]) - 1)


def test_a_missing_number_is_called_not_measured_and_is_no_zero(page):
    data = block(page, "board-data")
    place = {name: number for number, name in enumerate(data["columns"])}
    for row in data["rows"]:
        observer = data["words"]["observer"][row[place["observer"]]]
        number, text = row[place["advantage"]], row[place["advantage_text"]]
        assert (number is None) == (text == "not measured") == (not observer.startswith("complete"))
    body = page.read_text().split('<table id="board"')[1].split("</table>")[0]
    assert '<td class="number c-advantage"><span class="muted">not measured</span></td>' in body
    assert re.search(r'<td class="number c-advantage"><span class="nobreak"><b>\+\d+\.\d%</b></span></td>', body)


def test_a_note_stands_beside_its_row_and_marks_it_elsewhere(page):
    text = page.read_text()
    escaped = NOTE.replace("<", "&lt;").replace(">", "&gt;")
    assert f'<span class="sub told">‡ {escaped}</span>' in text.split('id="leaderboard"')[1].split("</section>")[0]
    heat = text.split('id="heatmap"')[1].split("</section>")[0]
    assert f'<abbr title="{escaped}">‡</abbr>' in heat
    assert '‡ stands <a href="#marks">below the leaderboard</a>' in heat
    assert "‡ the attack did not have all that it asked for" in text.split('id="marks"')[1].split("</div>")[0]
    assert NOTE in block(page, "board-data")["words"]["note"]


def test_a_store_without_notes_has_no_mark_and_no_legend_of_it(tmp_path, store):
    text = report(Store(store.url, read_only=True), tmp_path).read_text()
    assert "‡" not in text.split('id="board-data"')[0]


def test_a_note_is_read_where_there_is_one(store):
    notes = {cell.attack: cell.note for cell in read_cells(store.results(), store.cells())}
    assert notes == {"pia": NOTE, "": ""}
    older = store.results().drop(columns="note")
    assert {cell.note for cell in read_cells(older, store.cells())} == {""}


def test_finished_cells_without_auc_are_told_and_not_forgotten(store):
    cells = [made(0.8), made(0.7, seed=1)]
    found = summary.doubts(cells, nulls.null_checks(cells), store.failures().iloc[:0], done=5)
    assert found.unmeasured == 3
    assert found.serious


def test_flags_belong_to_any_measure():
    odd = Estimate(0.5, None, None, "hidden", 5, 5)
    (row,) = tables.leaderboard([dataclasses.replace(made(0.8), measures={"auc": made(0.8).auc, "odd": odd})], ["odd"])
    assert (row["odd"], row["odd_flag"]) == (0.5, "hidden")


@in_browser
def test_scripts_write_further_measures_as_the_page_does_and_sort_by_them(page, visit):
    def rows(tab):
        return [re.sub(r"\s+", " ", text) for text in tab.locator("#board tr.entry").all_inner_texts()]

    plain, scripted = visit(page, scripts=False), visit(page)
    assert rows(plain) == rows(scripted)
    assert any("not measured" in row for row in rows(plain))
    for _ in range(2):  # down, then up: what was not measured comes last either way
        scripted.locator("#board th[data-key=advantage] button").click()
        texts = scripted.locator("#board tbody:has(th:has-text('Gray box')) td.c-advantage").all_inner_texts()
        gaps = [text == "not measured" for text in texts]
        assert gaps == sorted(gaps), "within a level"
        assert any(gaps)
        assert not all(gaps)
    assert scripted.log == []
