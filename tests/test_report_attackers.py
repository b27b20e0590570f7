"""What attackers know, and where their access leads past a defense, is told wherever their numbers stand."""

from __future__ import annotations

import csv
import re

import pandas as pd
import pytest

from helpers import synthetic_store
from helpers.browsing import in_browser, violations
from helpers.synthetic_store import SMALL, made, report
from leakboard.store import Store
from leakboard_reports import attackers, board, bypasses, charts, prices, summary, tables
from leakboard_reports.payloads import Scores

SHADOW = "shadow(victims=['one', 'other'])"
KNOWN = ("adaptive", "naive", SHADOW, "none")
DEFENSES = (
    "none",
    "box_blur(radius=1)",
    "box_blur(radius=1, at='output')",
    "gaussian_noise(sigma=0.05) + jpeg(at='output')",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("attackers") / "demo.db"
    synthetic_store.build(path, **{**SMALL, "defenses": DEFENSES}, attackers=KNOWN)
    return Store(path, read_only=True)


@pytest.fixture(scope="module")
def page(store, tmp_path_factory):
    return report(store, tmp_path_factory.mktemp("page") / "report")


def section(page, name):
    return page.read_text().split(f'<h2 id="{name}"')[1].split("</section>")[0]


# --- where access leads past a defense --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("access", "space", "defense", "places"),
    [
        ("gray", "noise", "blur(at='query', radius=1)", ("query",)),
        ("gray", "state", "blur(radius=1, at='output')", ("output",)),
        ("white", "gradient", "blur(at='query') + jpeg(at='output', quality=75)", ("query", "output")),
        ("gray", "noise", "blur(radius=1)", ("query",)),
        ("gray", "noise", "none(at='query')", ()),
        ("gray", "noise", "smooth(at='both')", ()),
        ("gray", "image", "blur(at='output')", ()),
        ("black", "image", "blur(at='query')", ()),
        ("none", "statistic", "blur(at='query')", ()),
    ],
)
def test_image_defenses_are_passed_by_in_the_victims_own_space(access, space, defense, places):
    assert bypasses.passed_by(access, space, defense) == places


def test_the_canonical_spelling_tells_the_place_and_the_observer_its_space():
    """The label leaves out what is at its default, and a default may be any place."""
    facts = [
        ("observer", "inner", "inner(t=1)", {"space": "noise"}),
        ("observer", "outer", "outer", {"space": "image"}),
        ("defense", "late", "late(at='output')", {}),
    ]
    components = pd.DataFrame([dict(zip(("kind", "label", "spec", "info"), row, strict=True)) for row in facts])
    inner, outer = (made(0.8, observer=name, defense="late") for name in ("inner", "outer"))
    assert [cell.bypass for cell in bypasses.marked([inner, outer], components)] == [("output",), ()]


def test_rows_that_pass_a_defense_by_are_marked_and_the_legend_is_one_sentence(page):
    rows = list(csv.DictReader((page.parent / "data" / "leaderboard.csv").read_text().splitlines()))
    found = {(row["attack"], row["defense"]): row["bypass"] for row in rows if row["access"] == "gray"}
    assert found == {
        **{("", defense): "" for defense in DEFENSES},
        **dict(zip((("pia", defense) for defense in DEFENSES), ("", "query", "output", "query, output"), strict=True)),
    }
    for name in ("leaderboard", "heatmap", "price"):
        text = section(page, name)
        assert "§ the query defense changes the image once" in text
        assert "¶ the output defense changes images only" in text
    heat = section(page, "heatmap")
    row = next(row for row in re.findall(r"<tr>.*?</tr>", heat, re.DOTALL) if ">pia<" in row)
    cells = re.findall(r"<td .*?</td>", row, re.DOTALL)
    assert ["§" in cell for cell in cells] == [False, True, False, True]
    assert ["¶" in cell for cell in cells] == [False, False, True, True]


def test_where_nothing_is_passed_by_there_is_no_legend(tmp_path):
    store = synthetic_store.build(tmp_path / "plain.db", **{**SMALL, "published": ()})
    text = report(store, tmp_path / "out").read_text().split('id="board-data"')[0]
    assert "§" not in text
    assert "¶" not in text


# --- what attackers know ----------------------------------------------------------------------------------------------


def test_the_legend_tells_what_each_attacker_there_knows():
    cells = [made(0.8, attacker=SHADOW), made(0.8, attacker="none"), made(0.7, attacker="shadow(victims=['x'])")]
    assert [kind for kind, _ in attackers.legend(cells)] == ["shadow", "none"]
    assert "other members" in dict(attackers.legend(cells))["shadow"]


def test_groups_are_of_like_knowledge_those_who_know_most_first():
    cells = [made(0.9, attacker=who) for who in ("none", SHADOW, "naive", "adaptive", "odd(x=1)")]
    found = [[cell.attacker for cell in group] for group in attackers.by_knowledge(cells)]
    assert found == [["adaptive", "naive"], [SHADOW], ["none"], ["odd(x=1)"]]


def test_no_rank_is_shared_across_knowledge():
    cells = [made(0.9 - n / 10, attacker=who) for n, who in enumerate(KNOWN)]
    assert set(tables.ranks(cells).values()) == {1}


def test_heatmaps_share_undefended_cells_only_between_adaptive_and_naive():
    cells = [
        made(0.9),
        made(0.7, defense="jpeg"),
        made(0.6, defense="jpeg", attacker="naive"),
        made(0.8, attacker="none"),
        made(0.55, defense="jpeg", attacker="none"),
    ]
    found = {map_.attacker: [cell.auc.value for cell in map_.rows[0].cells] for map_ in tables.heatmaps(cells)}
    assert found == {"adaptive": [0.9, 0.7], "naive": [0.9, 0.6], "none": [0.8, 0.55]}


def test_the_summary_takes_no_attacker_who_knows_less_for_the_best():
    cells = [made(0.7), made(0.9, attacker=SHADOW), made(0.6, attacker="none", low=0.45, high=0.7)]
    (found,) = summary.findings(cells, prices.price_lists(cells, [], lambda _: None))
    assert (found.top.cell.attacker, found.top.told) == ("adaptive", "")
    assert [(top.told, top.cell.auc.value, top.leaks) for top in found.others] == [
        (f"{SHADOW} attacker", 0.9, True),
        ("attacker without labels", 0.6, False),
    ]


def test_prices_compare_attackers_of_one_knowledge():
    cells = [
        made(0.9),
        made(0.7, defense="jpeg"),
        made(0.6, attacker="none"),
        made(0.5, defense="jpeg", attacker="none"),
    ]
    own, blind = prices.price_lists(cells, [], lambda _: None)
    assert (own.attackers, own.told, own.base.auc.value) == (("adaptive", "naive"), "", 0.9)
    assert (blind.attackers, blind.told, blind.base.auc.value) == (("none",), "attacker without labels", 0.6)
    assert blind.rows[0].best["none"].value == pytest.approx(-0.1)


def test_curves_of_a_victim_are_of_one_knowledge():
    import numpy as np

    scores = Scores(tuple("abcd"), np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, True, False, True]))
    cells = [made(0.6), made(0.9, attacker=SHADOW), made(0.5, access="none", role="null")]
    (plot,) = charts.plots(cells, lambda _: scores)
    assert [curve.cell.attacker for curve in plot.curves] == ["adaptive", "adaptive"]
    assert plot.told == ""
    (plot,) = charts.plots(cells[1:], lambda _: scores)
    assert plot.told == f"{SHADOW} attacker"


def test_the_page_opens_with_attackers_who_know_most():
    cells = [made(0.6), made(0.9, attacker=SHADOW), made(0.9, attacker="none")]
    offered = board.choices(tables.leaderboard(cells, ["auc"]))
    assert offered["attacker"] == ["adaptive", SHADOW, "none"]
    assert board.opening(cells, offered)["attacker"] == "adaptive"


def test_every_part_of_the_page_tells_attackers_apart(page):
    told = f"{SHADOW} attacker".replace("'", "&#39;")
    assert told in section(page, "heatmap")
    assert f", {told}</h3>" in section(page, "price")
    assert "Attackers who know less, each by itself:" in section(page, "summary")
    legend = section(page, "leaderboard").split("Attackers: ")[1].split("</p>")[0]
    assert re.findall("<b>(.*?)</b>", legend) == ["adaptive", "naive", "shadow", "none"]


def test_an_attacker_without_labels_has_no_balanced_accuracy(page):
    rows = list(csv.DictReader((page.parent / "data" / "leaderboard.csv").read_text().splitlines()))
    assert {bool(row["balanced_accuracy"]) for row in rows if row["attacker"] == "none"} == {False}
    assert {bool(row["balanced_accuracy"]) for row in rows if row["attacker"] != "none"} == {True}


@in_browser
def test_filters_cope_with_long_attackers(page, visit):
    tab = visit(page, width=390)
    tab.select_option("select[name=attacker]", SHADOW)
    assert tab.locator("#board tbody tr").count() > 1
    assert SHADOW in tab.inner_text("#board caption")
    tab.select_option("select[name=attacker]", "")
    tab.select_option("select[name=defense]", DEFENSES[-1])
    tab.fill("input[name=search]", "pia")
    assert all("§¶" in text for text in tab.locator("#board tbody th").all_inner_texts())
    assert tab.log == []
    assert violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_defense_that_counts_questions_is_passed_by_nobody():
    chain = "budget(at='query', queries=3, evaluations=None) + gaussian_blur(at='output', sigma=1.0)"
    assert bypasses.passed_by("gray", "noise", chain, ["budget"]) == ("output",)
    assert bypasses.passed_by("gray", "noise", chain) == ("query", "output")
