"""What the report says of victims: how images were fitted to them, and what their autoencoders give away."""

from __future__ import annotations

import csv
import json
import re

import pandas as pd
import pytest

from helpers import synthetic_store
from helpers.synthetic_store import MANIFEST, PADDED, SMALL, made, report
from leakboard.store import Store
from leakboard_reports import board, manifests, subjects, tables
from leakboard_reports.reading import UNKNOWN, read_cells

MODERATE = "fashion_ddpm(epochs='moderate')"
LINE = "PSNR 28.0 dB, own AUC 0.499 [0.474, 0.524], trained on 4,096 auxiliary images"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    synthetic_store.build(tmp_path_factory.mktemp("victims") / "demo.db", **SMALL)
    return Store(tmp_path_factory.getbasetemp() / "victims0" / "demo.db", read_only=True)


@pytest.fixture(scope="module")
def page(store, tmp_path_factory):
    return report(store, tmp_path_factory.mktemp("page") / "report")


def autoencoder(**more):
    (row,) = manifests.taken([("sd", {"manifest": {"autoencoder": more, "auxiliary": 4096}})], [])
    return row


def section(text, name):
    return text[text.index(f'<h2 id="{name}"') :].split("</section>")[0]


def test_facts_that_a_recipe_adds_are_shown_beside_those_of_every_manifest():
    info = {"doc": "A victim.", "manifest": {"epochs": 60, "augmentation": "mirrored", "privacy": {"epsilon": 8.0}}}
    components = pd.DataFrame([{"kind": "victim", "label": "private", "info": info}])

    ((label, kind, facts),) = subjects.told(components, [made(0.8, victim="private")], [], store=None)["subjects"]
    assert (label, kind) == ("private", "victim")
    assert facts == [("epochs", "60"), ("augmentation", "mirrored"), ("privacy.epsilon", "8")]


def test_every_cell_tells_how_its_images_were_fitted(store):
    fits = {(cell.victim, cell.fit) for cell in read_cells(store.results(), store.cells())}
    assert fits == {(MODERATE, "exact"), ("untrained", PADDED)}


def test_a_cell_of_an_older_store_does_not_pretend_to_know(store):
    found = read_cells(store.results().assign(fit=""), store.cells())
    assert {cell.fit for cell in found} == {UNKNOWN}


def test_the_fit_is_in_both_csv_files_and_in_the_pages_json(page):
    for name in ("leaderboard.csv", "results.csv"):
        rows = list(csv.DictReader((page.parent / "data" / name).read_text().splitlines()))
        assert {(row["victim"], row["fit"]) for row in rows} == {(MODERATE, "exact"), ("untrained", PADDED)}
    data = re.search(r'id="board-data">(.*?)</script>', page.read_text()).group(1)
    assert json.loads(data)["words"]["fit"] == [PADDED, "exact"]


def test_the_fit_is_a_column_where_victims_differ_and_told_once_where_they_agree(page):
    mixed = tables.leaderboard([made(0.8), made(0.7, victim="sd", fit=PADDED)], ["auc"])
    shown = board.told_alike(board.columns([]))
    assert "fit" not in board.alike(mixed, shown)
    assert board.alike(mixed[:1], shown)["fit"] == "image fit exact"
    caption = re.search(r"<caption>(.*?)</caption>", section(page.read_text(), "leaderboard")).group(1)
    assert caption.endswith("fit exact")


def test_victims_stand_in_a_table_with_their_fit_and_their_autoencoder(page):
    table = section(page.read_text(), "subjects").split('aria-label="How the victims take images"')[1]
    row = re.search(r'<tr><th scope="row">untrained</th>.*?</tr>', table, re.DOTALL).group()
    assert re.findall(r"<td>(.*?)</td>", row) == [PADDED, LINE]
    assert "Measured by encode and decode." in table


def test_the_summary_of_a_victim_tells_its_autoencoder(page, tmp_path):
    assert f"Autoencoder: {LINE}." in section(page.read_text(), "summary")
    plain = synthetic_store.build(tmp_path / "plain.db", manifest={"epochs": 3}, **SMALL)
    text = report(plain, tmp_path / "out").read_text()
    assert "Autoencoder:" not in text
    assert "not at chance by itself" not in text


def test_an_autoencoder_that_tells_members_apart_is_marked(tmp_path):
    measured = {"psnr": 20.0, "auc": {"value": 0.7, "low": 0.65, "high": 0.75}}
    leaky = synthetic_store.build(tmp_path / "leaky.db", manifest={**MANIFEST, "autoencoder": measured}, **SMALL)
    text = report(leaky, tmp_path / "out").read_text()
    for name in ("summary", "subjects"):
        assert "own AUC 0.700 [0.650, 0.750]" in section(text, name)
        assert '<strong class="up">not at chance by itself</strong>' in section(text, name)


@pytest.mark.parametrize(
    ("measured", "line"),
    [
        ({"psnr": 30}, "PSNR 30.0 dB, trained on 4,096 auxiliary images"),
        ({"auc": {"value": 0.5}}, "own AUC 0.500, trained on 4,096 auxiliary images"),
        ({"auc": "high", "psnr": None}, ""),
        ({}, ""),
    ],
)
def test_a_manifest_may_lack_any_part_of_the_autoencoder(measured, line):
    assert (autoencoder(**measured).autoencoder, autoencoder(**measured).leaks) == (line, False)


def test_a_victim_fitted_to_several_datasets_tells_each():
    cells = [made(0.8, dataset="b", fit=PADDED), made(0.7, dataset="a"), made(0.6, dataset="a", victim="other")]
    (row,) = manifests.taken([("x", {})], cells)
    assert row.fits == (("a", "exact"), ("b", PADDED))


def test_what_defended_the_training_stands_beside_its_losses(page, tmp_path):
    told = {"epochs": 3, "training_defenses": ["horizontal_flip", "weight_decay=0.1"]}
    defended = synthetic_store.build(tmp_path / "defended.db", manifest=told, **SMALL)

    text = section(report(defended, tmp_path / "out").read_text(), "subjects")
    assert "<td>horizontal_flip, weight_decay=0.1</td>" in text
    assert "Defended in training by" not in page.read_text()
