"""The report in a browser: filters that find nothing, narrow screens, and paper."""

from __future__ import annotations

import pytest

from helpers import synthetic_store
from helpers.browsing import in_browser
from helpers.synthetic_store import SMALL, report
from leakboard.store import Store

pytestmark = in_browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("browser") / "demo.db"
    synthetic_store.build(path, **SMALL)
    return report(Store(path, read_only=True), tmp_path_factory.mktemp("page") / "report")


def test_filters_that_find_nothing_propose_what_would(page, visit):
    tab = visit(page)
    tab.select_option("select[name=access]", "black")
    tab.fill("input[name=search]", "pia")
    assert "No row matches." in tab.inner_text("#board tbody")
    proposals = tab.locator(".proposals button").all_inner_texts()
    assert any(text.startswith("access gray (") for text in proposals)
    tab.click(".proposals button:text('access gray')")
    assert tab.input_value("select[name=access]") == "gray"
    assert tab.locator("#board tr.entry").count() == 1
    assert tab.log == []


def test_a_misspelt_word_is_answered_with_the_nearest(page, visit):
    tab = visit(page)
    tab.fill("input[name=search]", "complet psrn")
    tab.click(".proposals button:text('psnr')")
    assert tab.input_value("input[name=search]") == "complet psnr"
    assert all("psnr" in text for text in tab.locator("#board tr.entry th").all_inner_texts())


def test_where_no_single_change_helps_several_are_proposed(page, visit):
    tab = visit(page)
    tab.select_option("select[name=access]", "black")
    tab.select_option("select[name=attacker]", "naive")
    tab.fill("input[name=search]", "qqqqqqqqqqqq pia")
    found = tab.locator(".proposals button")
    assert found.count() > 0
    found.first.click()
    assert tab.locator("#board tr.entry").count() > 0


@pytest.mark.parametrize("scripts", [True, False])
def test_on_a_phone_every_auc_is_whole_and_no_column_is_one_letter_wide(page, visit, scripts):
    for name in ("index.html", "runs.html"):
        tab = visit(page.with_name(name), width=390, scripts=scripts, wait="thead")
        tab.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
        edges = tab.evaluate(
            """[...document.querySelectorAll("#board tr.entry .c-auc .nobreak, .overview td, .nulls td:nth-child(3) .nobreak")].map(one =>
            one.getBoundingClientRect().right - (one.closest(".scroll") ?? document.body).getBoundingClientRect().right)"""
        )
        assert all(edge <= 0 for edge in edges)
        assert edges or name == "runs.html"
        narrow = tab.evaluate(
            """[...document.querySelectorAll("td, th")].filter(one => one.offsetParent && one.textContent.trim().length > 3
            && one.clientWidth > 1 && one.clientWidth < 24).map(one => one.outerHTML.slice(0, 99))"""
        )
        assert narrow == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_on_paper_every_section_is_open_nothing_is_cut_and_no_charts_overlap(page, visit):
    tab = visit(page)
    tab.set_viewport_size({"width": 700, "height": 990})  # A4 within its margins
    tab.emulate_media(media="print")
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("main details:not([open]):not(.columns)").count() == 0
    cut = tab.evaluate(
        """[...document.querySelectorAll("main table, main pre, main .chart svg, main img")].filter(one => one.offsetParent !== null
        || one.ownerSVGElement === null).filter(one => one.getBoundingClientRect().right > 701).map(one => one.outerHTML.slice(0, 120))"""
    )
    assert cut == []
    boxes = tab.evaluate(
        """[...document.querySelectorAll("figure, .sheet, .overview")].map(one => one.getBoundingClientRect())
        .map(({left, right, top, bottom}) => [left, right, top, bottom])"""
    )
    for number, (left, right, top, bottom) in enumerate(boxes):
        for other in boxes[:number]:
            apart = left >= other[1] or right <= other[0] or top >= other[3] or bottom <= other[2]
            assert apart, (boxes[number], other)
    tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert tab.locator("main details:not([open]):not(.columns)").count() > 0, "as it was before"
