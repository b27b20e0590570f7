"""Blind checks on real pictures: the same things in two styles are told apart, a random split of one style is not."""

from pathlib import Path

import numpy as np
import pytest

import leakboard
from helpers.tiny_grids import PLUGIN
from leakboard.grid.grid import Grid
from leakboard.registry.find import Registry
from leakboard.runs.summary import judged
from leakboard.statistics.nulls import AT_CHANCE, NOT_AT_CHANCE
from leakboard.store import Store

TWIN = Path(__file__).parent / "plugins" / "emoji_twin.py"
DATA = Path(__file__).parent / "data"
CHECKS = ["blind_pixels", "blind_statistics", "blind_captions"]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Verdict and AUC of each blind check, by style of the non-members."""
    found = {}
    for style in ("noto", "fluent"):
        store = Store(tmp_path_factory.mktemp(style) / "store.db", create=True)
        dataset = f"emoji_twin(nonmembers='{style}')"
        axes = {"victim": "linear", "observer": "blind", "distance": "gap", "classifier": "centred"}
        grid = Grid.of(plugins=[PLUGIN, TWIN], dataset=dataset, attack=CHECKS, run={"samples": 0}, **axes)
        assert leakboard.run(grid, store).ok
        checks = judged(store.results("auc"), store).checks
        found[style] = {each.row["attack"] or "blind": (each.verdict, each.row["value"]) for each in checks}
    return found


@pytest.mark.parametrize("check", ["blind_pixels", "blind_statistics"])
def test_members_of_one_style_and_non_members_of_another_are_an_alarm(check, verdicts):
    verdict, auc = verdicts["fluent"][check]
    assert verdict == NOT_AT_CHANCE
    assert auc > 0.7


def test_a_random_split_of_one_style_is_no_alarm(verdicts):
    assert {verdicts["noto"][check][0] for check in CHECKS} == {AT_CHANCE}


def test_captions_tell_no_style(verdicts):
    assert verdicts["fluent"]["blind_captions"] == verdicts["noto"]["blind_captions"]


def test_the_twin_is_small_has_its_licence_and_other_pictures_of_the_same_things():
    twins = Registry.load([TWIN])
    specs = (f"emoji_twin(nonmembers='{style}')" for style in ("noto", "fluent"))
    plain, other = (twins.one("dataset", spec).only.load() for spec in specs)

    assert (DATA / "fluent_emoji.npz").stat().st_size < 2**20
    assert "MIT License" in (DATA / "LICENSE-fluent-emoji.txt").read_text(encoding="utf-8")
    assert (plain.ids, plain.prompts) == (other.ids, other.prompts)
    assert (plain.images != other.images).flatten(1).any(1).tolist() == (~other.member).tolist()
    assert np.array_equal(plain.member, other.member)
