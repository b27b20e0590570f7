"""Stored results stay valid: what the shipped grids are made of keeps its identity unless it computes something else."""

import json
from pathlib import Path

import pytest

from leakboard import keys
from leakboard.grid.grid import Grid
from leakboard.kinds import Sides

HERE = Path(__file__).parent
BEFORE = json.loads((HERE / "keys" / "before_the_rooms.json").read_text(encoding="utf-8"))["components"]
"""Identities of the components of the shipped grids before the modules were laid out in rooms."""
CHANGED = {
    "observer": "they send `originals` now, not what was defended already, and blind checks yield one pair",
    "classifier": "`fit` is given the names of columns",
    "victim": "their modules moved and import each other from new places, and they tell their members "
    "and all facts that recipes add to their manifests; they find and check the files of a pipeline by new modules; latent ones also answer with velocities",
    "dataset fashion_mnist": "what makes its prompts has a module of its own, apart from what reads tables of captions",
    "distance value": "it measures vectors",
    "distance dssim(window=7, gaussian=False)": "flat images were off by more than it promises",
}
"""What has another identity since, and why: what was made of it is made again."""
KEPT = {"observer blind"}
"""What these reasons do not concern."""
NEW = {"dataset fashion_mnist_wide", "dataset openclipart", "victim openclipart_sd"}
"""What no shipped grid had then, with whatever parameters."""
NEW_GRIDS = {"attacks", "shadows", "query_defenses", "budget"}
"""They are about every attack or defense there is, and many of these are new."""
OF_LATENTS = {"observer pia(t=500, normalize='no')", "observer pia(t=500, normalize='code')"}
"""What attacks are made of where the victim works in latents, as their papers have it."""


@pytest.fixture(scope="module")
def now():
    """Identities of the components of all shipped grids that there were then."""
    paths = sorted((HERE.parent / "grids").glob("*.toml"))
    grids = [Grid.load(path) for path in paths if path.stem not in NEW_GRIDS]
    points = {point for grid in grids for cell in grid.cells for point in cell.axes.values()}
    return {_as_then(f"{point.kind} {point.spec}"): point.identity for point in points}


def _as_then(name):
    """Victims have got parameters, whose defaults are how they were."""
    if name.startswith("victim fashion_ddpm"):
        return name.replace(", dtype='float32')", ")")
    return name.replace(", adapter=None, adapter_weight=1.0", "")


def test_what_shipped_grids_are_made_of_keeps_its_identity_unless_there_is_a_reason(now):
    """Results that are stored elsewhere name their components by it."""
    other = {name for name in BEFORE if now[name] != BEFORE[name]}
    explained = {name for name in BEFORE if {name, name.partition(" ")[0]} & CHANGED.keys()} - KEPT

    assert other == explained


def test_shipped_grids_are_about_what_they_were_about(now):
    old = {name for name in now if name.partition("(")[0] not in NEW}

    assert old - OF_LATENTS == BEFORE.keys()
    assert old >= OF_LATENTS


def all_keys():
    """A key of every stage that has one."""
    return {
        "samples": keys.samples_key("dataset"),
        "contact sheets": keys.contact_sheet_key("dataset", "victim", "defense", 0),
        "features": keys.features_key(["dataset", "victim", "defense", "observer", "distance"], 0, ["one", "two"]),
        "cells": keys.cell_key(["dataset", "victim"], "adaptive", "true", 0, Sides(8, 8), 0.5),
        "scores": keys.scores_key("cell"),
        "pools": keys.pool_key("victim", "", "question"),
        "measures": keys.measure_key("auc", "digest", (0, 1)),
    }


@pytest.mark.parametrize(
    ("stage", "made_anew"),
    [
        ("samples", {"samples"}),
        ("answers", {"pools", "contact sheets", "features", "cells", "scores", "measures"}),
        ("contact sheets", {"contact sheets"}),
        ("features", {"features", "cells", "scores", "measures"}),
        ("scores", {"cells", "scores", "measures"}),
        ("measures", {"measures"}),
    ],
)
def test_a_raised_format_makes_its_stage_anew_and_those_after_it_and_none_before(stage, made_anew, monkeypatch):
    before = all_keys()
    monkeypatch.setitem(keys.FORMATS, stage, keys.FORMATS[stage] + 1)
    after = all_keys()

    assert {name for name, key in after.items() if key != before[name]} == made_anew


def test_every_stage_has_a_format_and_a_place():
    assert keys.FORMATS.keys() == keys.BEFORE.keys()
    for stage, before in keys.BEFORE.items():
        assert all({*keys.BEFORE[each]} <= {*before} for each in before), stage


def test_keys_of_several_stages_with_the_same_parts_differ():
    assert len({*all_keys().values()}) == len(all_keys())
    assert keys.scores_key("x") != keys.samples_key("x")


@pytest.mark.parametrize("part", range(6))
def test_a_cell_is_told_by_each_of_its_parts(part):
    """Also by the order of its components: a victim is no dataset."""
    parts = [["dataset", "victim"], "adaptive", "true", 0, Sides(8, 8), 0.5]
    others = [["victim", "dataset"], ["shadow", ["victim"]], "permuted", 1, Sides(8, 9), 0.25]
    changed = [other if row == part else kept for row, (kept, other) in enumerate(zip(parts, others, strict=True))]

    assert keys.cell_key(*changed) != keys.cell_key(*parts)


@pytest.mark.parametrize("part", range(3))
def test_features_are_told_by_each_of_their_parts(part):
    """Also by the order of the samples, for rows are theirs."""
    parts, others = [["dataset", "victim"], 0, ["one", "two"]], [["dataset", "other"], 1, ["two", "one"]]
    changed = [other if row == part else kept for row, (kept, other) in enumerate(zip(parts, others, strict=True))]

    assert keys.features_key(*changed) != keys.features_key(*parts)


def test_a_measure_is_told_by_its_name_its_code_and_the_numbers_that_are_taken():
    parts = [("auc", "digest", (0, 1)), ("ks", "digest", (0, 1)), ("auc", "other", (0, 1)), ("auc", "digest", (-1, 1))]

    assert len({keys.measure_key(*each) for each in parts}) == 4
    assert keys.measure_key("auc", "digest", (0, 1)) == keys.measure_key("auc", "digest", (0.0, 1.0))
