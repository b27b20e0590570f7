"""The rank correlation, and its interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from leakboard.statistics.correlation import FEWEST, rank_correlation


@pytest.mark.parametrize(("strength", "count"), [(0.0, 30), (0.5, 256), (0.9, 30)])
def test_the_interval_covers_as_often_as_it_says(strength, count):
    """Spearman's correlation of a bivariate normal is 6 / pi * arcsin(r / 2)."""
    truth = 6 / np.pi * np.arcsin(strength / 2)
    rng = np.random.default_rng(0)
    first, noise = rng.normal(size=(2, 600, count))
    second = strength * first + np.sqrt(1 - strength**2) * noise
    found = [rank_correlation(*rows) for rows in zip(first, second, strict=True)]
    assert 0.93 <= np.mean([each.low <= truth <= each.high for each in found]) <= 0.98


def test_the_value_is_scipys_with_ties_too():
    first, second = np.round(np.random.default_rng(1).normal(size=(2, 60)), 1)
    assert rank_correlation(first, second).value == pytest.approx(spearmanr(first, second).statistic, abs=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_perfect_correlation_has_a_width(sign):
    rows = np.arange(20.0)
    found = rank_correlation(rows, sign * rows)
    assert abs(found.value) == pytest.approx(1)
    assert found.low <= found.value <= found.high
    assert found.high - found.low > 1e-3


def test_too_few_samples_and_equal_ones_have_none():
    rows = np.arange(20.0)
    assert rank_correlation(rows[: FEWEST - 1], rows[: FEWEST - 1]) is None
    assert rank_correlation(rows, np.zeros(20)) is None
