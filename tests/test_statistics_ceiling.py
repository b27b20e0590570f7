"""The ROC that differential privacy allows: against the mechanism that attains it, and as often wrong as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.scores import drawn
from leakboard.statistics.ceiling import above, ceiling


def worst(epsilon, delta):
    """What is seen with a sample and without, of the least private mechanism there is: given away with chance delta,
    else told truly with odds of exp(epsilon)."""
    told = (1 - delta) / (1 + math.exp(-epsilon))
    other = 1 - delta - told
    return np.array([delta, told, other, 0.0]), np.array([0.0, other, told, delta])


@pytest.mark.parametrize("delta", [0.0, 1e-3, 0.2])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 2.0, 8.0, 50.0])
def test_the_ceiling_is_the_roc_of_the_least_private_mechanism(epsilon, delta):
    """By Neyman and Pearson: outcomes are guessed in the order of their likelihood ratio, one of them in part."""
    member, other = worst(epsilon, delta)
    corners = np.cumsum(np.r_[0, other]), np.cumsum(np.r_[0, member])
    rates = np.r_[np.geomspace(1e-4, 1, 40)]
    assert ceiling(rates, epsilon, delta) == pytest.approx(np.interp(rates, *corners), abs=1e-9)
    assert float(ceiling(0.0, epsilon, delta)) == pytest.approx(delta)


def test_an_epsilon_too_large_to_be_written_allows_everything():
    assert ceiling([1e-6, 0.5], 1e5, 0).tolist() == [1, 1]
    assert ceiling([0.1, 0.5], 0, 0) == pytest.approx([0.1, 0.5])


@pytest.mark.parametrize(("epsilon", "delta"), [(0.0, 0.0), (1.0, 0.01), (3.0, 0.0)])
def test_the_least_private_mechanism_is_not_said_to_break_its_promise(epsilon, delta):
    rng = np.random.default_rng(0)
    member = np.arange(200) < 100
    sides = worst(epsilon, delta)
    wrong = 0
    for _ in range(400):
        seen = [rng.choice(4, 100, p=side) for side in sides]
        wrong += above(-np.concatenate(seen) + 0.0, member, epsilon, delta) is not None
    assert wrong / 400 <= 0.05


def test_an_attack_above_the_ceiling_is_found_with_its_limits():
    scores, member = drawn(0, 300, 300, 2.5)
    found = above(scores, member, 0.5, 1e-3)
    assert found
    assert found.allowed < found.tpr_low < found.tpr
    assert found.fpr < found.fpr_high
    assert found.allowed == pytest.approx(float(ceiling(found.fpr_high, 0.5, 1e-3)))
    assert above(scores, member, 8.0, 1e-3) is None
    assert above(scores, member, 0.5, 1e-3, level=1 - 1e-60) is None


def test_an_attack_that_is_sure_of_non_members_alone_breaks_a_promise_too():
    """No member is in the lower half, where half of the non-members are."""
    rng = np.random.default_rng(0)
    member = np.arange(800) < 400
    scores = np.where(member, rng.uniform(0.5, 1, 800), rng.uniform(0, 1, 800))
    found = above(scores, member, 1.0, 0.0)
    assert found
    assert found.fpr > 0.3


@pytest.mark.parametrize("sides", [(1, 1), (2, 1), (1, 7)])
def test_few_samples_break_no_promise(sides):
    member = np.arange(sum(sides)) < sides[0]
    assert above(member + 0.0, member, 0.5, 0.0) is None
