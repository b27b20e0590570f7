"""Intervals of proportions: against published values and scipy."""

from __future__ import annotations

import numpy as np
import pytest

from leakboard.statistics.intervals import (
    Interval,
    binomial,
    clopper_pearson,
    hull,
    mixed_clopper_pearson,
    newcombe,
    sum_interval,
    wilson,
)


def test_intervals_match_published_values():
    """Newcombe 1998, 95 %: 15 of 148 by Wilson and by Clopper-Pearson; 56/70 minus 48/80 by method 10."""
    assert wilson(15, 148, 0.95) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert clopper_pearson(15, 148, 0.95) == pytest.approx((0.0578, 0.1617), abs=5e-5)
    mirrored = Interval(*(-limit for limit in reversed(wilson(48, 80, 0.95))))
    difference = sum_interval(0.8, wilson(56, 70, 0.95), -0.6, mirrored)
    assert difference == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(("value", "members", "nonmembers"), [(0.5, 25, 25), (0.95, 25, 500), (0.999, 256, 256)])
def test_newcombes_limits_are_z_standard_errors_away_by_hanley_and_mcneils_variance(value, members, nonmembers):
    """Each limit theta is judged by the variance at theta itself, with both counts of its numerator averaged."""
    for limit in newcombe(value, members, nonmembers, 0.95):
        one, other = limit / (2 - limit), 2 * limit**2 / (1 + limit)
        more = (members + nonmembers) / 2 - 1
        variance = limit * (1 - limit) + more * (one - limit**2) + more * (other - limit**2)
        error = (variance / (members * nonmembers)) ** 0.5
        assert abs(value - limit) / error == pytest.approx(1.959964, abs=1e-3)


def test_newcombes_interval_is_mirrored_with_the_scores():
    low, high = newcombe(0.9, 40, 70, 0.95)
    assert newcombe(0.1, 40, 70, 0.95) == pytest.approx((1 - high, 1 - low))


def test_a_hull_holds_both():
    assert hull(Interval(0.2, 0.5), Interval(0.1, 0.4)) == (0.1, 0.5)
    assert hull(Interval(0.1, 0.6), Interval(0.2, 0.5)) == (0.1, 0.6)


def test_counts_of_a_binomial_are_all_that_matter():
    from scipy.stats import binom

    first, weights = binomial(500, 0.01)
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert weights[5 - first] == pytest.approx(binom.pmf(5, 500, 0.01))
    assert binomial(3, 0.001)[0] == 0


def test_a_mixture_of_one_case_is_clopper_pearson():
    one = np.array([7])
    assert mixed_clopper_pearson(one, one, np.ones(1), 40, 0.95) == pytest.approx(clopper_pearson(7, 40, 0.95))


def test_a_mixture_lies_between_its_cases_and_is_wider_than_the_middle_one():
    counts, weights = np.array([5, 7, 9]), np.array([0.25, 0.5, 0.25])
    low, high = mixed_clopper_pearson(counts, counts, weights, 40, 0.95)
    assert clopper_pearson(5, 40, 0.95).low < low < clopper_pearson(7, 40, 0.95).low
    assert clopper_pearson(7, 40, 0.95).high < high < clopper_pearson(9, 40, 0.95).high


def test_cases_without_a_success_or_a_failure_leave_an_end_open():
    assert mixed_clopper_pearson(np.array([0, 3]), np.array([0, 3]), np.array([0.1, 0.9]), 9, 0.95).low == 0
    assert mixed_clopper_pearson(np.array([6, 9]), np.array([6, 9]), np.array([0.9, 0.1]), 9, 0.95).high == 1


def test_what_is_missing_to_the_weights_counts_as_unknown():
    one = np.array([7])
    assert mixed_clopper_pearson(one, one, np.array([0.9]), 40, 0.95) == (0, 1)
