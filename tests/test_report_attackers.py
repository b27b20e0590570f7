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
    ("bypass", "signs", "meanings"),
    [
        ("query: predict_noise", "§", ["past the query defense: predict_noise"]),
        ("output: decode, encode", "¶", ["past the output defense: decode, encode"]),
        (
            "query: decode; output: decode, encode",
            "§¶",
            ["past the query defense: decode", "past the output defense: decode, encode"],
        ),
        ("nothing", "", []),
        ("unknown", "?", [bypasses.MARKS["unknown"][1]]),
    ],
)
def test_a_mark_names_the_questions_that_went_past_a_defense(bypass, signs, meanings):
    found = bypasses.marks(bypass)
    assert "".join(sign for sign, _ in found) == signs
    assert [meaning for _, meaning in found] == meanings
    assert [sign for sign, _ in bypasses.legend([made(0.8, bypass=bypass), made(0.7, bypass="nothing")])] == list(signs)


@pytest.mark.parametrize(("noted", "shown"), [("", "unknown"), ("nothing", "nothing"), ("output: decode",) * 2])
def test_what_an_older_store_does_not_tell_is_unknown_and_not_nothing(tmp_path, noted, shown, monkeypatch):
    monkeypatch.setattr(synthetic_store, "bypass", lambda defense, attack: noted)
    store = synthetic_store.build(tmp_path / "old.db", **SMALL)
    index = report(store, tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "data" / "leaderboard.csv").read_text().splitlines()))
    assert {row["bypass"] for row in rows if row["defense"] != "none"} == {shown}
    assert {row["bypass"] for row in rows if row["defense"] == "none"} == {"nothing"}
    assert ("? an older version ran this" in section(index, "leaderboard")) == (shown == "unknown")
    assert pd.read_csv(tmp_path / "out" / "data" / "results.csv", keep_default_na=False)["bypass"].eq(noted).all()


def test_rows_that_pass_a_defense_by_are_marked_and_explained_once(page):
    rows = list(csv.DictReader((page.parent / "data" / "leaderboard.csv").read_text().splitlines()))
    found = {(row["attack"], row["defense"]): row["bypass"] for row in rows if row["access"] == "gray"}
    assert found == {
        **{("", defense): "nothing" for defense in DEFENSES},
        **dict(
            zip(
                (("pia", defense) for defense in DEFENSES),
                (
                    "nothing",
                    "query: predict_noise",
                    "output: encode, predict_noise",
                    "query: predict_noise; output: encode, predict_noise",
                ),
                strict=True,
            )
        ),
    }
    text = section(page, "leaderboard")
    assert "§ the query defense changes the image once" in text
    assert "¶ the output defense changes images only" in text
    for name in ("summary", "heatmap", "price"):
        text = section(page, name)
        assert 'The meaning of § ¶ stands <a href="#marks">below the leaderboard</a>' in text
        assert "the query defense changes the image once" not in text
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
    (plot,) = charts.plots(cells, lambda _: scores, {})
    assert [curve.cell.attacker for curve in plot.curves] == ["adaptive", "adaptive"]
    assert plot.told == ""
    (plot,) = charts.plots(cells[1:], lambda _: scores, {})
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
    assert tab.locator("#board tr.entry").count() > 1
    assert SHADOW in tab.inner_text("#board caption")
    tab.select_option("select[name=attacker]", "")
    tab.select_option("select[name=defense]", DEFENSES[-1])
    tab.fill("input[name=search]", "pia")
    assert all("§¶" in text for text in tab.locator("#board tr.entry th").all_inner_texts())
    assert tab.log == []
    assert violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
