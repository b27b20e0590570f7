"""Pages of plugins join the report: its frame, its navigation, its tables, and no way to take it along when they fail."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from helpers import synthetic_store
from helpers.browsing import in_browser, violations
from helpers.synthetic_store import SMALL, report
from helpers.tiny_grids import PLUGIN
from leakboard.api import Page
from leakboard.cli import main
from leakboard.errors import LeakboardError
from leakboard.registry.find import Registry
from leakboard.store import Store
from leakboard_reports import table

COST = Path(__file__).parent / "plugins" / "cost_page.py"
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("joined") / "demo.db"
    synthetic_store.build(path, **SMALL)
    return path


@pytest.fixture(scope="module")
def written(store, tmp_path_factory):
    """The report with the page of a plugin, made by the command line."""
    out = tmp_path_factory.mktemp("written") / "report"
    done = CliRunner().invoke(main, ["report", str(store), "--out", str(out), "--plugin", str(COST)])
    assert (done.exit_code, done.stderr) == (0, "")
    return out


def asked(store, out, *plugins):
    options = [word for plugin in plugins for word in ("--plugin", str(plugin))]
    return CliRunner().invoke(main, ["report", str(store), "--out", str(out), *options])


def links(text):
    return re.findall(r'<li><a href="(\w+\.html)"([^>]*)>([^<]+)</a></li>', text)


def test_all_pages_are_in_the_navigation_of_each_with_the_index_first(written):
    titles = {
        "index.html": "Leaderboard",
        "comparison.html": "Which attacks are tied",
        "caught.html": "Who is caught",
        "sets.html": "What a set gives away",
        "runs.html": "What was run",
        "cost.html": "What a leak costs",
    }
    for name in titles:
        found = links((written / name).read_text())
        assert found[0][0] == "index.html"
        assert {address: title for address, _, title in found} == titles
        assert [address for address, here, _ in found if here == ' aria-current="page"'] == [name]


def test_a_page_that_joins_has_the_frame_of_the_index(written):
    index, cost = ((written / name).read_text() for name in ("index.html", "cost.html"))
    assert POLICY.search(cost).group(1) == POLICY.search(index).group(1)
    for shared in ('<a class="skip" href="#main">', '<link rel="stylesheet" href="assets/board.css">', "<footer>"):
        assert shared in cost
        assert shared in index
    assert re.findall("<h1>(.*?)</h1>", cost) == ["What a leak costs"]
    assert "<title>What a leak costs \N{EN DASH} Membership leakage: demo</title>" in cost


def test_the_page_of_a_plugin_says_what_the_store_says(written, store):
    results = Store(store, read_only=True).results()
    pia = results[(results["attack"] == "pia") & (results["measure"] == "auc") & (results["defense"] == "none")]
    (auc,) = pia[(pia["role"] == "attack") & (pia["labels"] == "true")]["value"]
    text = (written / "cost.html").read_text()
    row = next(row for row in re.findall("<tr>.*?</tr>", text) if ">pia<" in row and "0.600" in row)
    assert f">{auc:.3f}</td>" in row
    assert 'data-value="2.0">2</td>' in row


def test_titles_are_text_and_bodies_are_html(store, tmp_path):
    page = Page("extra", "<b>Bold</b>", lambda _: "<p>plain <em>words</em></p>")
    index = report(Store(store, read_only=True), tmp_path / "out", page)
    text = (tmp_path / "out" / "extra.html").read_text()
    assert "<h1>&lt;b&gt;Bold&lt;/b&gt;</h1>" in text
    assert "<p>plain <em>words</em></p>" in text
    assert "&lt;b&gt;Bold&lt;/b&gt;" in index.read_text()


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("raise KeyError('<colour>')", "KeyError: '<colour>'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("return None", "it returned None, expected HTML"),
        ("return ' '", "it returned ' ', expected HTML"),
        ("return b'<p>'", "it returned b'<p>', expected HTML"),
    ],
)
def test_a_page_that_fails_says_so_and_the_report_is_there(store, write, tmp_path, body, wrong):
    """Which plugin and which error: on the page, and on stderr with an exit code of its own."""
    plugin = write(
        "broken.py",
        f"""
        from leakboard import hookimpl
        from leakboard.api import Page

        def body(store):
            {body}

        @hookimpl
        def leakboard_pages():
            return [Page("broken", "Broken", body), Page("whole", "Whole", lambda store: "<p>whole</p>")]
        """,
    )
    done = asked(store, tmp_path / "out", plugin)
    assert done.exit_code == 1
    assert done.stdout.strip() == str(tmp_path / "out" / "index.html")
    assert f"the page broken of {plugin} could not be made: {wrong}" in done.stderr
    assert "Traceback" not in done.stderr
    if body.startswith("raise"):
        assert f"({plugin}, line 6)" in done.stderr
    told = (tmp_path / "out" / "broken.html").read_text()
    assert "This page could not be made." in told
    assert "<colour>" not in told
    assert str(plugin) in told
    assert wrong.split("'")[0] in told
    assert "<p>whole</p>" in (tmp_path / "out" / "whole.html").read_text()
    assert "Leaderboard" in (tmp_path / "out" / "index.html").read_text()


def test_a_run_says_that_a_page_failed_and_ends_as_the_run_did(here, write):
    plugin = write(
        "broken.py",
        """
        from leakboard import hookimpl
        from leakboard.api import Page

        @hookimpl
        def leakboard_pages():
            return [Page("broken", "Broken", lambda store: 1 / 0)]
        """,
    )
    grid = write(
        "grid.toml",
        """
        [grid]
        dataset = ["tiny"]
        victim = ["linear"]
        observer = ["glance"]
        distance = ["gap"]
        classifier = ["threshold"]
        """,
    )
    command = ["run", str(grid), "--executor", "serial", "--plugin", str(PLUGIN), "--plugin", str(plugin)]
    done = CliRunner().invoke(main, [*command, "--report", "out"])
    assert done.exit_code == 0, done.output
    assert "the page broken of" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "report: out/index.html" in done.stdout


@pytest.mark.parametrize("name", ["index", "Index"])
def test_no_page_takes_the_place_of_the_index(write, name):
    plugin = write(
        "greedy.py",
        f"""
        from leakboard import hookimpl
        from leakboard.api import Page

        @hookimpl
        def leakboard_pages():
            return [Page({name!r}, "Mine", str)]
        """,
    )
    with pytest.raises(LeakboardError, match="the report's own first page"):
        Registry.load([plugin])


def test_the_page_of_somebody_else_is_not_overwritten(store, tmp_path):
    (tmp_path / "runs.html").write_text("theirs")
    with pytest.raises(LeakboardError, match=r"no report made what lies there: .*runs\.html"):
        report(Store(store, read_only=True), tmp_path)
    assert (tmp_path / "runs.html").read_text() == "theirs"


def test_a_page_that_is_no_longer_offered_leaves_the_report(store, tmp_path):
    opened = Store(store, read_only=True)
    report(opened, tmp_path / "out", Page("extra", "Extra", lambda _: "<p>x</p>"))
    assert (tmp_path / "out" / "extra.html").is_file()
    report(opened, tmp_path / "out")
    assert not (tmp_path / "out" / "extra.html").exists()


def test_what_was_run_stands_on_a_page_of_its_own(written):
    index, runs = ((written / name).read_text() for name in ("index.html", "runs.html"))
    for told in ("leakboard run demo.toml", "0123abc", "ValueError: 3 columns hold NaN", "Traceback …"):
        assert told in runs
        assert told not in index
    assert re.search(r"\d+ done, \d+ failed\.", runs)
    assert re.search(r'\d+ cells failed</strong>.*<a href="runs.html#failures">', index)


def test_an_empty_store_has_pages_too(tmp_path):
    done = asked(Store(tmp_path / "empty.db", create=True).url, tmp_path / "out", COST)
    assert done.exit_code == 0
    assert "No cell was tried yet." in (tmp_path / "out" / "runs.html").read_text()
    assert "There is nothing to show." in (tmp_path / "out" / "cost.html").read_text()


def test_a_table_of_a_page_escapes_tells_gaps_and_keeps_what_it_is_sorted_by():
    frame = pd.DataFrame(
        {"who": ["<a>", None], "count": [1200, 3], "share": [-0.25, float("nan")], "flag": [True, False]}
    )
    text = table(frame, "Who & what", {"share": ".1%"})
    assert "<caption>Who &amp; what</caption>" in text
    assert '<th scope="row">&lt;a&gt;</th><td class="number" data-value="1200.0">1,200</td>' in text
    assert '<td class="number" data-value="-0.25">\N{MINUS SIGN}25.0%</td><td>True</td>' in text
    assert '<th scope="row">not measured</th>' in text
    assert '<td class="number">not measured</td><td>False</td>' in text
    assert "<a>" not in text


@in_browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("name", ["cost", "runs"])
def test_pages_that_join_are_accessible_fit_and_ask_for_nothing(written, visit, name, width, scheme):
    tab = visit(written / f"{name}.html", width=width, scheme=scheme, wait="table.sortable th button")
    assert tab.log == []
    assert violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("fetch('https://example.org').then(() => 'reached', () => 'refused')") == "refused"


@in_browser
def test_tables_of_pages_sort_by_keyboard_and_gaps_come_last(store, tmp_path, visit):
    frame = pd.DataFrame({"name": ["b10", "a", "b9"], "number": [10.0, None, -2.0]})
    report(Store(store, read_only=True), tmp_path / "out", Page("extra", "Extra", lambda _: table(frame, "Numbers")))
    tab = visit(tmp_path / "out" / "extra.html", wait="table.sortable th button")

    def names():
        return tab.locator("tbody th").all_inner_texts()

    tab.locator("th button", has_text="number").focus()
    tab.keyboard.press("Enter")
    assert names() == ["b10", "b9", "a"]
    assert tab.locator("th[aria-sort=descending]").inner_text() == "number"
    tab.keyboard.press("Enter")
    assert names() == ["b9", "b10", "a"]
    tab.locator("th button", has_text="name").click()
    assert names() == ["a", "b9", "b10"]
    assert tab.locator("th[aria-sort]").all_inner_texts() == ["name"]


@in_browser
def test_the_navigation_leads_from_page_to_page(written, visit):
    tab = visit(written / "index.html")
    tab.click("nav[aria-label=Pages] >> text=What a leak costs")
    assert tab.inner_text("h1") == "What a leak costs"
    tab.click("nav[aria-label=Pages] >> text=Leaderboard")
    assert tab.url.endswith("index.html")
