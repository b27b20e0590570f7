"""Captions told in another way each time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from leakboard.training import captions
from leakboard.training.recipes import TextRecipe

CAPTION = "a photo of a red shirt on a chair"


def told(caption=CAPTION, count=400, **changes):
    tell = captions.telling(replace(TextRecipe(), **changes))
    return captions.retold([caption] * count, tell, torch.Generator().manual_seed(0))


def test_captions_are_told_as_they_are_unless_a_recipe_says_otherwise():
    assert captions.telling(TextRecipe()) is None
    assert captions.telling(replace(TextRecipe(), dropout=1.0)) is None


def test_words_are_left_out_as_often_as_asked_and_the_others_keep_their_order():
    found = [text.split() for text in told(deleted=0.3)]
    share = 1 - np.mean([len(words) for words in found]) / 9
    assert share == pytest.approx(0.3, abs=0.03)
    whole = CAPTION.split()
    assert all(words == [word for word in whole if word in words][: len(words)] or "a" in words for words in found)
    assert told(deleted=1.0, count=1) == [""]


def test_a_share_of_captions_is_shuffled_and_loses_no_word():
    found = told(shuffled=0.5)
    assert all(sorted(text.split()) == sorted(CAPTION.split()) for text in found)
    assert np.mean([text != CAPTION for text in found]) == pytest.approx(0.5, abs=0.08)


def test_a_share_of_captions_begins_in_other_words():
    found = told(rephrased=0.5)
    assert np.mean([text != CAPTION for text in found]) == pytest.approx(0.5, abs=0.08)
    assert {*found} == {CAPTION, *(f"{opening} a red shirt on a chair" for opening in captions.OPENINGS)}
    assert captions.rephrasings("grinning face")[0] == "a picture of grinning face"


def test_words_of_rephrased_captions_are_in_the_vocabulary():
    plain, text = captions.vocabulary([CAPTION], TextRecipe()), replace(TextRecipe(), rephrased=0.1)
    assert plain == [CAPTION]
    assert captions.vocabulary([CAPTION], text) == sorted([CAPTION, *captions.rephrasings(CAPTION)])


def test_the_same_generator_tells_the_same():
    assert told(deleted=0.3, shuffled=0.5, rephrased=0.5) == told(deleted=0.3, shuffled=0.5, rephrased=0.5)
