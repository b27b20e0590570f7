"""Intervals of proportions: against published values and scipy."""

from __future__ import annotations

import pytest

from leakboard.statistics.intervals import Interval, clopper_pearson, exceedance_bounds, sum_interval, wilson


def test_intervals_match_published_values():
    """Newcombe 1998, 95 %: 15 of 148 by Wilson and by Clopper-Pearson; 56/70 minus 48/80 by method 10."""
    assert wilson(15, 148, 0.95) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert clopper_pearson(15, 148, 0.95) == pytest.approx((0.0578, 0.1617), abs=5e-5)
    mirrored = Interval(*(-limit for limit in reversed(wilson(48, 80, 0.95))))
    difference = sum_interval(0.8, wilson(56, 70, 0.95), -0.6, mirrored)
    assert difference == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_exceedance_bounds_are_the_tightest():
    from scipy.stats import binom

    low, high = exceedance_bounds(500, 0.01, 0.95)
    assert binom.cdf(low - 1, 500, 0.01) <= 0.025 < binom.cdf(low, 500, 0.01)
    assert binom.sf(high, 500, 0.01) <= 0.025 < binom.sf(high - 1, 500, 0.01)
