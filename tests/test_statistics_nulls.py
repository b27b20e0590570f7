"""Null checks: which of them chance explains."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.scores import brute_covariance, drawn
from leakboard.statistics.auc import auc
from leakboard.statistics.nulls import NullCheck, beyond_chance, chance_p_value


def test_chance_p_value_recovers_the_test_behind_the_interval():
    scores, member = drawn(4, 100, 100, 0.3)
    for level in (0.9, 0.99):
        found = auc(scores, member, level=level)
        error = math.sqrt(brute_covariance(scores, scores, member)) / (found.value * (1 - found.value))
        z = abs(math.log(found.value / (1 - found.value))) / error
        assert chance_p_value(found.value, found.low, found.high, level) == pytest.approx(math.erfc(z / math.sqrt(2)))


def test_chance_p_value_of_degenerate_cells():
    member = np.arange(60) < 30
    perfect, constant = auc(member * 1.0, member), auc(np.ones(60), member)
    assert chance_p_value(perfect.value, perfect.low, perfect.high) == pytest.approx(2 * 0.5**30)
    assert chance_p_value(constant.value, constant.low, constant.high) == 1


def null(p_value, access="none", victim="a", labels="true", what="check"):
    return NullCheck(labels, access, victim, what, p_value)


def test_a_null_check_that_is_repeated_beside_many_victims_counts_once():
    """A grid of more victims must not hide that the dataset gives its members away."""
    assert beyond_chance([null(0.001, victim=str(row)) for row in range(50)]) == [True] * 50
    assert beyond_chance([null(0.001, what=row) for row in range(50)]) == [False] * 50


def test_null_checks_are_corrected_among_their_own_kind():
    others = [null(0.5, access="gray", what=row) for row in range(30)]
    others += [null(0.5, labels="permuted", what=row) for row in range(30)]

    assert beyond_chance([null(0.001), *others]) == [True, *[False] * 60]
    assert beyond_chance([null(0.001, access="gray", what="more"), *others])[0] is False
