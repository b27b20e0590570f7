"""The first things that a reader sees: the verdict, the picture of defenses and access, the columns of the table."""

from __future__ import annotations

import csv
import dataclasses
import re

import pytest

from helpers import synthetic_store
from helpers.synthetic_store import MEASURES, SMALL, made, report
from leakboard import __version__
from leakboard.store import Store
from leakboard_reports import board, measures, overview, prices, tables
from leakboard_reports.reading import Estimate


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("overview") / "demo.db"
    synthetic_store.build(path, **SMALL)
    return report(Store(path, read_only=True), tmp_path_factory.mktemp("page") / "report")


def section(page, name):
    return page.read_text().split(f'<h2 id="{name}"')[1].split("</section>")[0]


def test_the_verdict_comes_first_then_the_picture_then_notes(page):
    text = page.read_text()
    places = [text.index(part) for part in ('class="verdict"', 'class="overviews"', 'id="notes"', 'id="leaderboard"')]
    assert places == sorted(places)
    assert re.search(r"1 of 1 victim leaks\.</strong>\s+Most: ", text)


def test_each_line_has_the_best_attack_of_each_access_by_one_who_knows_the_defense():
    cells = [
        made(0.9, access="gray"),
        made(0.7, access="black", observer="shot"),
        made(0.6, access="black", observer="worse"),
        made(0.8, access="gray", defense="jpeg"),
        made(0.85, access="gray", defense="jpeg", attacker="naive"),
        made(0.99, access="gray", attacker="none"),
    ]
    (found,) = overview.overviews(cells, prices.price_lists(cells, [], lambda _: None))
    assert [(line.defense, [(top.access, top.auc.value) for top in line.tops]) for line in found.lines] == [
        ("none", [("black", 0.7), ("gray", 0.9)]),
        ("jpeg", [("gray", 0.8)]),
    ]
    assert (found.bare("black"), found.bare("gray"), found.bare("white")) == (0.7, 0.9, None)
    assert [line.price is None for line in found.lines] == [True, False]
    assert [(stand.access, stand.attacks, stand.observers) for stand in found.stands] == [
        ("black box", 2, ("shot", "worse")),
        ("gray box", 1, ("x",)),
    ]


def test_without_defenses_no_price_is_spoken_of(tmp_path):
    store = synthetic_store.build(tmp_path / "bare.db", **{**SMALL, "defenses": ("none",)})
    text = report(store, tmp_path / "out").read_text()
    picture = text.split('class="overviews"')[1].split("In words")[0]
    assert "95% interval" in picture
    assert "Price" not in picture
    assert "where it starts from without a defense" not in text


def test_all_pictures_have_one_axis_on_which_chance_and_every_limit_lie():
    pictures = overview.overviews([made(0.9), made(0.4, victim="other", low=0.28, high=0.5)], [])
    scale = overview.scale(pictures)
    assert scale.low == pytest.approx(0.2)
    assert scale.ticks[0] == pytest.approx(0.2)
    assert float(scale.at(1.0)[:-1]) == pytest.approx(100 - overview.MARGIN)
    assert scale.at(0.1) == scale.at(0.2), "what is lower lies at the end"
    assert overview.scale([]).low == 0.4


def test_the_picture_is_drawn_without_scripts_and_is_a_table_and_a_file(page):
    text = section(page, "summary")
    rows = list(csv.DictReader((page.parent / "data" / "overview.csv").read_text().splitlines()))
    assert text.count('class="dot') == len(rows) + 2, "a mark a row, and two in the key"
    for row in rows:
        assert f"<b>{float(row['auc']):.3f}</b>" in text
    assert re.search(r"query [\d.]+ dB,</span> <span class=\"nobreak\">output [\d.]+ dB", text)


def test_the_leaderboard_stands_apart_by_access_with_ranks_of_its_own(page):
    text = section(page, "leaderboard")
    levels = text.split('<tr class="level">')[1:]
    assert [re.search("<b>(.*?)</b>", level)[1] for level in levels] == ["Black box", "Gray box"]
    assert all('<td class="number c-rank">1</td>' in level for level in levels)


def test_what_all_rows_agree_on_is_told_in_the_caption_with_its_unit():
    cells = [made(0.8, queries=1.0, nfe=5.0), made(0.7, queries=1.0, nfe=6.0, observer="o")]
    measured = measures.columns(cells, MEASURES)
    rows = board.written(tables.leaderboard(cells, ["auc"]), measured)
    found = board.alike(rows, board.told_alike(board.columns(measured)))
    assert found["queries"] == "queries 1 per sample"
    assert found["n_member"] == "members / non-members 50 / 50 evaluated samples"
    assert found["dataset"] == "dataset x"
    assert not found.keys() & {"nfe", "auc", "rank", "attack"}


def test_a_measure_without_any_number_is_told_in_the_caption_with_its_reason():
    rate = Estimate(0.1, None, None, "hidden", 50, 50)
    cells = [dataclasses.replace(made(a), measures={**made(a).measures, "tpr_at_1pct_fpr": rate}) for a in (0.8, 0.7)]
    measured = measures.columns(cells, MEASURES)
    rows = board.written(tables.leaderboard(cells, [each.name for each in measured]), measured)
    found = board.alike(rows, board.told_alike(board.columns(measured)))
    assert found["tpr_at_1pct_fpr"] == "TPR at 1% FPR \N{EN DASH}, 50 of 100 non-members"


@pytest.mark.parametrize(
    ("name", "flag", "told"),
    [
        ("tpr_at_1pct_fpr", "uncalibrated", "256 of 1,000 non-members"),
        ("tpr_at_0.1pct_fpr", "uncalibrated", "256 of 10,000 non-members"),
        ("tpr_at_0.1pct_fpr", "hidden", "256 of 1,000 non-members"),
        ("another", "hidden", "256 non-members are too few"),
        ("tpr_at_1pct_fpr", "", ""),
    ],
)
def test_a_flagged_rate_tells_how_many_non_members_it_would_take(name, flag, told):
    assert measures.Column(name, name).reason(flag, 256) == told


def test_an_uncalibrated_rate_has_its_reason_beside_it(tmp_path):
    store = synthetic_store.build(tmp_path / "more.db", samples=300, **SMALL)
    text = section(report(store, tmp_path / "out"), "leaderboard")
    assert re.search(r'<abbr title="uncalibrated">†</abbr> <span class="ci">\[.*?</span>', text)
    assert re.search(r'<span class="sub">† 1\d\d of 1,000 non-members</span>', text)


def test_the_heatmap_has_a_key_and_says_which_access_it_shows(page):
    text = section(page, "heatmap")
    key = text.split('aria-label="Key of the colours"')[1].split("</table>")[0]
    assert re.findall(r'<td class="([\w-]+)">([\d.]+)</td>', key)[::5] == [
        ("cold-10", "0.0"),
        ("hot-0", "0.5"),
        ("hot-10", "1.0"),
    ]
    assert re.findall('<tr class="level">.*?<b>(.*?)</b>', text)[:2] == ["Black box", "Gray box"]


def test_every_page_ends_with_version_and_links(page):
    for path in (page, page.with_name("runs.html")):
        footer = path.read_text().split("<footer>")[1]
        assert f"Leakboard {__version__}" in footer
        assert "https://arxiv.org/abs/2311.09355" in footer
    assert 'href="data/overview.csv"' in page.read_text().split("<footer>")[1]


def test_every_column_of_numbers_has_a_unit(page):
    """Ranks, and names of attackers below a heading that has the unit, have none of their own."""
    for head in re.findall(r"<thead>.*?</thead>", page.read_text(), re.DOTALL):
        if "colgroup" not in head:
            for label in re.findall(r'<th scope="col" class="number[^>]*>(.*?)</th>', head):
                assert 'class="unit"' in label or label == "Rank", label
