"""Stored results stay valid: what the shipped grids are made of keeps its identity unless it computes something else."""

import hashlib
import json
from pathlib import Path

import pytest

from leakboard import keys
from leakboard.grid.grid import Grid

HERE = Path(__file__).parent
BEFORE = json.loads((HERE / "keys" / "before_the_rooms.json").read_text(encoding="utf-8"))
"""Keys of the shipped grids, and identities of their components, before the modules were laid out in rooms."""


@pytest.mark.parametrize("name", BEFORE["grids"])
def test_cells_of_shipped_grids_keep_their_keys(name):
    keys = sorted(cell.key for cell in Grid.load(HERE.parent / "grids" / f"{name}.toml").cells)

    assert {"cells": len(keys), "digest": hashlib.sha256("\n".join(keys).encode()).hexdigest()} == BEFORE["grids"][name]


def all_keys():
    """A key of every stage that has one."""
    return {
        "samples": keys.samples_key("dataset"),
        "contact sheets": keys.contact_sheet_key("dataset", "victim", "defense", 0),
        "features": keys.features_key(["dataset", "victim", "defense", "observer", "distance"], 0, 0, 16),
        "cells": keys.cell_key(["dataset", "victim"], "adaptive", "true", 0, 8, 0.5),
        "scores": keys.scores_key("cell"),
        "measures": keys.measures_key([("auc", "digest")]),
    }


@pytest.mark.parametrize(
    ("stage", "made_anew"),
    [
        ("samples", {"samples"}),
        ("answers", {"contact sheets", "features", "cells", "scores", "measures"}),
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
    parts = [["dataset", "victim"], "adaptive", "true", 0, 8, 0.5]
    others = [["victim", "dataset"], ["shadow", ["victim"]], "permuted", 1, 9, 0.25]
    changed = [other if row == part else kept for row, (kept, other) in enumerate(zip(parts, others, strict=True))]

    assert keys.cell_key(*changed) != keys.cell_key(*parts)


@pytest.mark.parametrize("part", range(4))
def test_features_are_told_by_each_of_their_parts(part):
    parts, others = [["dataset", "victim"], 0, 0, 16], [["dataset", "other"], 1, 8, 24]
    changed = [other if row == part else kept for row, (kept, other) in enumerate(zip(parts, others, strict=True))]

    assert keys.features_key(*changed) != keys.features_key(*parts)


def test_measures_are_told_by_names_and_code_and_not_by_their_order():
    one, other = ("auc", "digest"), ("ks", "digest")

    assert keys.measures_key([one, other]) == keys.measures_key([other, one])
    assert len({keys.measures_key(found) for found in ([one], [other], [("auc", "other")], [one, other])}) == 4
