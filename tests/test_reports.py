"""The report's page works from a file, alone, for everybody."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import sqlite3
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from helpers import synthetic_store
from helpers.browsing import in_browser, violations
from helpers.synthetic_store import CLASSIFIERS, DEFENSES, DISTANCES, MEASURES, NAMES, OBSERVERS, SMALL, made, report
from leakboard.errors import LeakboardError
from leakboard.runs.report import report as render
from leakboard.store import Store
from leakboard_reports import board, measures, pages, tables
from leakboard_reports.formats import ABSENT
from leakboard_reports.output import LEDGER
from leakboard_reports.reading import Estimate, headline, read_cells
from leakboard_reports.templating import to_json

HOSTILE = "</script><img src=x onerror=alert(1)><!--"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    synthetic_store.build(tmp_path_factory.mktemp("store") / "demo.db", seeds=(0, 1), **SMALL)
    return Store(tmp_path_factory.getbasetemp() / "store0" / "demo.db", read_only=True)


@pytest.fixture(scope="module")
def cells(store):
    return read_cells(store.results(), store.cells())


@pytest.fixture(scope="module")
def page(store, tmp_path_factory):
    return report(store, tmp_path_factory.mktemp("page") / "report")


class Page(HTMLParser):
    """Elements with their attributes, and the JSON blocks."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.blocks, self._block = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "script" and dict(attrs).get("type") == "application/json":
            self._block = dict(attrs)["id"]

    def handle_data(self, data):
        if self._block:
            self.blocks[self._block] = json.loads(data)
            self._block = None


def test_csv_files_hold_everything(page, store, cells):
    rows = list(csv.DictReader((page.parent / "data/leaderboard.csv").read_text().splitlines()))
    assert {row["cell"] for row in rows} == {cell.key for cell in cells}
    top = max(cells, key=lambda cell: cell.auc.value)
    assert float(rows[0]["auc"]) == top.auc.value
    with (page.parent / "data/results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(store.results())
    curves = list(csv.DictReader((page.parent / "data/roc.csv").read_text().splitlines()))
    assert {row["access"] for row in curves} == {"black", "gray", "none"}


def test_the_pages_json_holds_every_row(page, cells):
    data = Page(page.read_text()).blocks["board-data"]
    assert len(data["rows"]) == len(cells)
    place = {name: number for number, name in enumerate(data["columns"])}
    first = data["rows"][0]
    top = max(cells, key=lambda cell: cell.auc.value)
    assert first[place["auc"]] == pytest.approx(top.auc.value, abs=1e-5)
    assert data["words"]["observer"][first[place["observer"]]] == top.observer


def test_every_link_leads_to_a_file_or_a_heading(page):
    parsed = {path.name: Page(path.read_text()) for path in page.parent.glob("*.html")}
    assert parsed.keys() == {f"{name}.html" for name in ("index", "comparison", "caught", "sets", "runs")}
    ids = {name: {attrs["id"] for _, attrs in each.elements if "id" in attrs} for name, each in parsed.items()}
    for name, each in parsed.items():
        for tag, attrs in each.elements:
            for address in (attrs.get("href"), attrs.get("src")):
                if address is not None and not (tag == "a" and address.startswith("https://")):
                    file, _, place = address.partition("#")
                    assert (page.parent / (file or name)).is_file(), (name, tag, address)
                    assert not place or place in ids[file or name], (name, tag, address)
            assert "style" not in attrs
            assert not any(attribute.startswith("on") for attribute in attrs)


def test_losses_of_the_victim_stand_on_the_page(page):
    """Members and held-out, from the manifest: how far the victim overfits tells what an attack can find."""
    text = page.read_text()
    for name, value in (("loss.members", "0.0221"), ("loss.held_out", "0.0312"), ("members_digest", "62c66a")):
        assert re.search(rf"<dt>{re.escape(name)}</dt><dd>{re.escape(value)}", text)


def test_the_training_of_victims_stands_in_a_table(page):
    text = page.read_text()
    table = text[text.index('aria-label="Training of the victims"') :]
    row = re.search(r"<tr><th scope=\"row\">untrained</th>.*?</tr>", table).group()
    assert re.findall(r"<td[^>]*>(.*?)</td>", row) == ["330", "0.02210", "0.03120", ABSENT, ABSENT]


@pytest.mark.parametrize("manifest", ["a text", ["a", "list"], 3, None])
def test_a_manifest_of_another_shape_is_shown_as_it_is(tmp_path, manifest):
    store = synthetic_store.build(tmp_path / "odd.db", manifest=manifest, **SMALL)
    text = report(store, tmp_path / "out").read_text()
    assert "Training of the victims" not in text
    if manifest:
        assert re.search(r"<dt>manifest</dt><dd>(a text|a, list|3)</dd>", text)


def test_the_choice_of_the_best_is_owned_up_to(page):
    """Calibration samples choose; where they did not, an interval ignores that the very samples did."""
    text = page.read_text()
    for section in ("heatmap", "price"):
        note = text[text.index(f'<h2 id="{section}"') :].split("<table")[0]
        assert "calibration samples" in note
        assert "on the same samples" not in note
    assert "flatters" not in text


def test_the_choice_of_an_older_store_is_owned_up_to(tmp_path):
    path = synthetic_store.build(tmp_path / "old.db", **SMALL)
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection, connection:
        connection.execute("UPDATE attempt SET calibration_auc = NULL")
    text = report(path, tmp_path / "out").read_text()
    note = text[text.index('<h2 id="price"') :].split("<table")[0]
    assert "the highest of all on the very samples, and flatters" in note
    assert "chosen as the best on the same samples" in text[text.index('<h2 id="heatmap"') :].split("<table")[0]


def test_text_of_others_stays_text(tmp_path):
    wild = synthetic_store.build(tmp_path / "wild.db", hostile=HOSTILE, **SMALL)
    parsed = Page(report(wild, tmp_path / "out").read_text())
    images = [attrs["src"] for tag, attrs in parsed.elements if tag == "img"]
    assert images
    assert all(source.startswith("assets/strip-") for source in images)
    assert any(HOSTILE in word for word in parsed.blocks["board-data"]["words"]["distance"])


def test_an_empty_store_gives_a_page_that_says_so(tmp_path):
    text = report(Store(tmp_path / "empty.db", create=True), tmp_path / "out").read_text()
    assert "No results yet" in text


def test_warnings_stand_at_the_top(tmp_path):
    leaky = synthetic_store.build(tmp_path / "leaky.db", blind_leak=1.5, **SMALL)
    text = report(leaky, tmp_path / "out").read_text()
    banner = text[text.index('class="banner serious"') : text.index('id="summary"')]
    assert "Every attack on fashion_mnist is suspect" in banner
    assert re.search(r"by\s+blind · .*?AUC", banner)
    assert "has learnt nothing" not in banner, "the dataset explains whatever untrained victims seem to leak"
    assert "cells failed" not in banner, "a note, which does not come before the verdict"
    assert re.search(r"\d+ cells failed", text[text.index('id="notes"') : text.index('id="leaderboard"')])
    assert "alarm" in text


def test_every_part_with_attacks_warns_of_a_suspect_dataset(page, tmp_path):
    leaky = synthetic_store.build(tmp_path / "leaky.db", blind_leak=1.5, seeds=(0, 1), **SMALL)
    text = report(leaky, tmp_path / "out").read_text()
    for section in ("leaderboard", "heatmap", "price", "roc", "seeds"):
        body = text[text.index(f'<h2 id="{section}"') :]
        warning = body[: body.index("</p>")]
        assert "Every attack on fashion_mnist is suspect" in warning
        assert "by blind (AUC" in warning
    findings = text[text.index('<h2 id="summary"') : text.index('<h2 id="leaderboard"')]
    assert "Suspect." in findings
    assert "Leaks." not in findings
    assert "suspect:" not in page.read_text()


def test_rendering_again_replaces_only_our_own_files(store, tmp_path):
    out = tmp_path / "out"
    first = report(store, out)
    before = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (out / "assets" / "mine.txt").write_text("mine")
    report(store, out)
    after = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert after == {**before, Path("assets/mine.txt"): b"mine"}
    report(Store(tmp_path / "empty.db", create=True), out)
    left = {str(path.relative_to(out)) for path in (out / "assets").iterdir()}
    assert left == {*(f"assets/{name}" for name in pages.STATIC), "assets/mine.txt"}
    assert first == out / "index.html"


@pytest.mark.parametrize("name", ["index.html", "assets/logo.png", "data/survey.csv", "notes.txt", ".git/config"])
def test_a_folder_with_pages_of_others_is_left_alone(store, tmp_path, name):
    theirs = tmp_path / "site" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    with pytest.raises(LeakboardError, match="no report made") as caught:
        report(store, tmp_path / "site")
    assert caught.value.next
    assert [path for path in (tmp_path / "site").rglob("*") if path.is_file()] == [theirs]
    assert theirs.read_text() == "theirs"


def test_a_report_that_was_copied_without_its_hidden_file_is_made_again(store, tmp_path):
    report(store, tmp_path / "out")
    (tmp_path / "out" / LEDGER).unlink()
    (tmp_path / "out" / "costs.html").write_bytes((tmp_path / "out" / "index.html").read_bytes())
    assert report(store, tmp_path / "out").is_file()
    assert (tmp_path / "out" / LEDGER).is_file()


def test_pages_beside_a_copied_report_that_are_not_its_own_are_left_alone(store, tmp_path):
    report(store, tmp_path / "out")
    (tmp_path / "out" / LEDGER).unlink()
    (tmp_path / "out" / "about.html").write_text("<html>mine</html>")
    with pytest.raises(LeakboardError, match=r"about\.html") as refused:
        report(store, tmp_path / "out")
    assert LEDGER in str(refused.value)


def test_a_report_that_was_interrupted_can_be_made_again(store, tmp_path, monkeypatch):
    """The folder is marked as ours before anything else is written."""
    with monkeypatch.context() as patch:
        patch.setattr(pages.Files, "frame", lambda *_: 1 / 0)
        patch.setattr(pages, "_vega", lambda: "")
        with pytest.raises(ZeroDivisionError):
            report(store, tmp_path / "out")
    assert (tmp_path / "out" / "assets").is_dir()
    assert report(store, tmp_path / "out").is_file()


def test_a_plugin_that_cannot_render_is_named(store, tmp_path):
    """By the command line too, without a traceback."""
    plugin = tmp_path / "pretty.py"
    plugin.write_text(
        "from leakboard import hookimpl\n\n@hookimpl\ndef leakboard_report(store, out):\n    raise KeyError('colour')\n"
    )
    with pytest.raises(LeakboardError, match="KeyError: 'colour'") as caught:
        render(store, tmp_path / "out", plugins=(str(plugin),))
    assert f"the plugin {plugin} could not render" in caught.value.what
    assert caught.value.where == f"{plugin}, line 5"


def test_a_forged_ledger_removes_nothing_outside(store, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "precious").write_text("keep")
    (out / ".leakboard-report.json").write_text(json.dumps(["../precious"]))
    report(store, out)
    assert (tmp_path / "precious").read_text() == "keep"


def test_a_report_needs_a_folder(store, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LeakboardError, match="needs a folder, and this is"):
        report(store, tmp_path / "file")
    with pytest.raises(LeakboardError, match="cannot write the report"):
        report(store, tmp_path / "file" / "below")


def test_thousands_of_cells_stay_a_small_page():
    """2,000 cells below 3 MB: the table in the page is its own JSON and a first screen of rows."""
    rng = np.random.default_rng(0)
    estimate = dict.fromkeys(NAMES, Estimate(0.512345678, 0.4123456789, 0.612345678, "uncalibrated", 256, 256))
    axes = [
        {"observer": o, "distance": d, "classifier": c, "defense": f, "seed": s}
        for o in OBSERVERS for d in DISTANCES for c in CLASSIFIERS for f in DEFENSES for s in range(3)
    ]  # fmt: skip
    cells = [
        dataclasses.replace(made(float(rng.uniform()), **each, seconds=1.23456), measures=estimate) for each in axes
    ]
    rows, measured = tables.leaderboard(cells[:2000], NAMES), measures.columns(cells, MEASURES)
    assert len(rows) == 2000
    assert len(to_json(board.payload(board.written(rows, measured), measured))) < 500_000


@in_browser
def test_the_page_works_offline_from_a_file_and_asks_for_nothing_else(page, visit):
    """No request but file://, no complaint of the content security policy, charts drawn, pictures there."""
    tab = visit(page)
    tab.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    tab.eval_on_selector_all("img", "all => all.forEach(one => one.loading = 'eager')")
    tab.wait_for_load_state("networkidle")
    # pictures that have just become eager are read a moment later; one that never is ends the wait
    # asked again and again from here: the page's policy forbids that it is asked to wait for a text
    for _ in range(200):
        if tab.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)"):
            break
        tab.wait_for_timeout(100)
    assert tab.log == []
    assert "default-src 'none'" in tab.get_attribute("meta[http-equiv='Content-Security-Policy']", "content")
    assert tab.evaluate("fetch('https://example.org').then(() => 'reached', () => 'refused')") == "refused"


@in_browser
def test_the_leaderboard_sorts_and_filters_within_each_level_of_access(page, visit, cells):
    tab = visit(page)
    attacks = [cell for cell in cells if cell.role == "attack"]
    shown = [c for c in headline(attacks) if c.undefended]
    assert tab.locator("#board tr.entry").count() == len(shown)
    assert "defense none" in tab.inner_text("#board caption")
    for name in ("victim", "defense", "attacker", "seed"):
        tab.select_option(f"select[name={name}]", "")
    assert f"of {len(attacks)} rows shown, {len(cells)} in all" in tab.inner_text("#board-status")
    levels = {access: sum(cell.access == access for cell in attacks) for access in ("black", "gray")}
    first = sum(min(board.FIRST_ROWS, number) for number in levels.values())
    assert tab.locator("#board tr.entry").count() == first
    tab.click("#board button[data-access=black]")
    assert tab.locator("#board tr.entry").count() == first + min(25, levels["black"] - board.FIRST_ROWS)
    tab.check("input[name=nulls]")
    assert f"of {len(cells)} rows" in tab.inner_text("#board-status")
    assert tab.locator("#board tr.level").count() == 3, "blind checks are a level of their own"
    tab.uncheck("input[name=nulls]")
    heading = tab.locator("#board th[data-key=auc] button")
    assert tab.get_attribute("#board th[data-key=auc]", "aria-sort") == "descending"
    heading.focus()
    tab.keyboard.press("Enter")
    assert tab.get_attribute("#board th[data-key=auc]", "aria-sort") == "ascending"
    lowest = min(cell.auc.value for cell in attacks if cell.access == "black")
    assert tab.locator("#board tr.entry .c-auc b").first.inner_text() == f"{lowest:.3f}"
    assert tab.evaluate("document.activeElement.textContent") == "AUC", "sorting keeps the focus"
    tab.fill("input[name=search]", "complete hog")
    assert all("hog" in text for text in tab.locator("#board tr.entry th").all_inner_texts())
    tab.fill("input[name=search]", "no such thing")
    assert "No row matches" in tab.inner_text("#board tbody")
    tab.click("button[type=reset]")
    tab.wait_for_selector("#board tr.entry td.c-auc")
    assert tab.locator("#board tr.entry").count() == len(shown)


@in_browser
def test_columns_can_be_chosen(page, visit):
    tab = visit(page)
    assert tab.locator("#board th[data-key=peak_mb]").count() == 0
    tab.click(".columns summary")
    tab.check("input[value=peak_mb]")
    tab.uncheck("input[value=nfe]")
    assert "peak memory 410 MB" in tab.inner_text("#board caption"), "all rows agree on it"
    assert tab.locator("#board th[data-key=nfe]").count() == 0
    tab.check("input[value=nfe]")
    assert tab.locator("#board th[data-key=nfe]").count() == 1
    tab.keyboard.press("Escape")
    assert not tab.evaluate("document.querySelector('.columns').open")
    assert tab.locator("#board th[data-key=fit]").count() == 0, "all rows agree on it"
    tab.check("input[name=nulls]")
    tab.select_option("select[name=victim]", "")
    assert set(tab.locator("#board td.c-fit").all_inner_texts()) == {"exact", synthetic_store.PADDED}


@in_browser
def test_readers_without_scripts_see_the_same_first_rows(page, visit):
    def rows(tab):
        return [re.sub(r"\s+", " ", text) for text in tab.locator("#board tr.entry").all_inner_texts()]

    plain, scripted = visit(page, scripts=False), visit(page)
    assert rows(plain) == rows(scripted)
    assert not plain.is_visible("#board-controls")
    assert rows(plain)


@in_browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_the_page_is_accessible_and_fits(page, visit, width, scheme):
    """axe finds nothing, in either colour scheme, on desktop and phone, with everything unfolded."""
    tab = visit(page, width=width, scheme=scheme)
    assert violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@in_browser
def test_text_of_others_runs_no_script(tmp_path, visit):
    wild = synthetic_store.build(tmp_path / "wild.db", hostile=HOSTILE, **SMALL)
    index = report(wild, tmp_path / "out")
    runs = visit(index.with_name("runs.html"), wait="table.sortable th button")
    assert HOSTILE in runs.locator("main").text_content()
    assert runs.log == []
    tab = visit(index)
    tab.fill("input[name=search]", "psnr")
    assert tab.log == []
    assert HOSTILE in tab.inner_text("#board tr.entry >> nth=0")
