"""Classifiers that break the contract, each found by the check that is about it."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from helpers.contract_checks import failed, outcome
from leakboard.api import (
    Classifier,
)
from leakboard.testing import check_component


@dataclass(frozen=True, kw_only=True)
class Upside(Classifier):
    """Scores members lower."""

    name: ClassVar[str] = "upside"

    def fit(self, features, member, columns):
        direction = features[member].mean(0) - features[~member].mean(0)
        return lambda unseen: -unseen @ direction


@dataclass(frozen=True, kw_only=True)
class Ranked(Classifier):
    """Scores a sample by its place among the others, and fails where nothing varies."""

    name: ClassVar[str] = "ranked"

    def fit(self, features, member, columns):
        direction = features[member].mean(0) - features[~member].mean(0)
        return lambda unseen: (unseen @ direction).argsort().argsort() / (direction.std() and 1.0)


@pytest.mark.parametrize(
    ("classifier", "checks"),
    [(Upside(), {"members score higher"}), (Ranked(), {"independent of the batch"})],
)
def test_classifiers_that_break_the_contract(classifier, checks):
    assert checks <= failed(classifier)
    allowed = {"features that never vary", "one finite score a sample"}
    assert {name for name in failed(classifier) - checks if "shadow" not in name} <= allowed


@dataclass(frozen=True, kw_only=True)
class Direction(Classifier):
    """Keeps to the contract: along the line between the two means. ``maps`` takes the mean of each map."""

    name: ClassVar[str] = "direction"
    maps: bool = False

    def fit(self, features, member, columns):
        assert len(columns) == features.shape[1]
        assert features.ndim == (5 if self.maps else 2)
        rows = features.reshape(*features.shape[:2], -1).mean(-1)
        direction = rows[member].mean(0) - rows[~member].mean(0)
        return lambda unseen: unseen.reshape(*unseen.shape[:2], -1).mean(-1) @ direction


@pytest.mark.parametrize("maps", [False, True])
def test_a_classifier_of_numbers_or_maps_keeps_to_the_contract(maps):
    assert failed(Direction(maps=maps)) == set()


class Peeking(Direction):
    """Says that it trains nothing."""

    trains = False


class Idle(Direction):
    """Says that it trains, and does not."""

    def fit(self, features, member, columns):
        return lambda unseen: unseen.mean(1)


class Grabbing(Direction):
    """Keeps the names of columns to itself."""

    def fit(self, features, member, columns):
        scorer = super().fit(features, member, columns)
        if isinstance(columns, list):
            columns.clear()
        return scorer


class Shuffled(Direction):
    """Gives the scores of shadow attacks in another order."""

    def fit_shadows(self, features, member, columns):
        scorer = self.fit(features.reshape(-1, features.shape[-1]), member.reshape(-1), columns)
        return lambda seen: scorer(seen)[::-1]


class Deaf(Direction):
    """Does not listen to the labels of shadow victims."""

    def fit_shadows(self, features, member, columns):
        return lambda seen: seen.mean(1)


class Social(Direction):
    """Compares each sample with the first."""

    def fit_shadows(self, features, member, columns):
        scorer = self.fit(features.reshape(-1, features.shape[-1]), member.reshape(-1), columns)
        return lambda seen: scorer(seen) - scorer(seen)[0]


@pytest.mark.parametrize(
    ("classifier", "check", "why"),
    [
        (Peeking(), "labels matter to those that train alone", "other labels change its scores"),
        (Idle(), "labels matter to those that train alone", "other labels change no score"),
        (Grabbing(), "told the names of columns", "it changed the list of columns in place"),
        (Shuffled(), "learns from shadow victims", "members do not score higher"),
        (Deaf(), "labels of shadow victims flip the ranking", "flipping the labels of all shadow victims"),
        (Social(), "shadow attacks score each sample by itself", "features of another sample"),
    ],
)
def test_classifiers_that_break_one_promise(classifier, check, why):
    told, detail = outcome(check_component(classifier), check)

    assert told == "failed"
    assert why in detail
