"""Recipes spelled with other numbers than they have."""

from dataclasses import replace

import pytest

from helpers.command_line import call
from leakboard.api import LeakboardError
from leakboard.registry.find import shared
from leakboard.training import RECIPES
from leakboard.training.changing import recipe_of
from leakboard_defenses import Cutout, GaussianBlur, HorizontalFlip, Jpeg, RandAugment

NAMED = {recipe.name: recipe for recipe in RECIPES}


def changed(text):
    return recipe_of(shared(()), text, "RECIPE")


@pytest.mark.parametrize("name", NAMED)
def test_a_name_alone_is_the_recipe(name):
    assert changed(name) is not None
    assert changed(name) == NAMED[name]


def test_numbers_and_lists_are_replaced():
    spec = "fashion_small(weight_decay=0.5, patience=40, copies=(1, 4, 16), checkpoints={'moderate': 110})"
    expected = {"weight_decay": 0.5, "patience": 40, "copies": (1, 4, 16), "checkpoints": {"moderate": 110}}
    assert changed(spec) == replace(NAMED["fashion_small"], **expected)


def test_parts_of_a_recipe_are_changed_in_place():
    found = changed("fashion_sd(text={'dropout': 0.5, 'rephrased': 1.0})")
    assert found == replace(NAMED["fashion_sd"], text=replace(NAMED["fashion_sd"].text, dropout=0.5, rephrased=1.0))


@pytest.mark.parametrize(
    ("chain", "links"),
    [
        ("horizontal_flip", (HorizontalFlip(),)),
        ("cutout(share=0.25) + rand_augment", (Cutout(share=0.25), RandAugment())),
        ("gaussian_blur(sigma=2)", (GaussianBlur(sigma=2.0, at="training"),)),
        ("jpeg(at='augmentation', quality=10)", (Jpeg(at="augmentation", quality=10),)),
        ("horizontal_flip(at='training') + none", (HorizontalFlip(at="training"),)),
        ("none", ()),
    ],
)
def test_a_chain_of_defenses_acts_in_the_training(chain, links):
    assert changed(f"fashion_small(defense={chain!r})").defense == links


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fashion_smal", "did you mean: fashion_small"),
        ("fashion_small(weight_decy=1)", "did you mean: weight_decay"),
        ("fashion_small(name='mine')", "has no parameter 'name'"),
        ("fashion_small(weight_decay='0.1')", "cannot take weight_decay='0.1'"),
        ("fashion_small(weight_decay=-1.0)", "greater than or equal to 0"),
        ("fashion_small(patience=1.5)", "integer"),
        ("fashion_small(patience={10, 20})", "one training at a time"),
        ("fashion_small(defense='horizontal_flop')", "did you mean: horizontal_flip"),
        ("fashion_small(defense='horizontal_flip(chance=2)')", "less than or equal to 1"),
        ("fashion_small(defense=\"jpeg(at='query')\")", "acts on what a trained victim is asked"),
        ("fashion_small(defense='jpeg(quality={1, 2})')", "sweeps 2 points"),
        ("fashion_small(text={'dropout': 0.5})", "has no parameter 'text'"),
        ("fashion_sd(text={'dropuot': 0.5})", "did you mean: dropout"),
        ("fashion_sd(text=3)", "cannot take text=3"),
        ("fashion_small + fashion_sd", "one training at a time"),
        ("fashion_small(", "cannot read the spec"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(text, told):
    with pytest.raises(LeakboardError) as caught:
        changed(text)
    assert told in str(caught.value)


def test_the_command_takes_it(tmp_path):
    result = call(
        "train", "fashion_small(defense=\"budget(queries=1, at='query')\")", "--out", tmp_path / "out", code=2
    )
    assert "acts on what a trained victim is asked" in result.output
    assert not (tmp_path / "out").exists()
