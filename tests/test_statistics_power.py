"""How many samples a claim takes, and what so many can show."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, mannwhitneyu

from leakboard.statistics import power
from leakboard.statistics.intervals import newcombe
from leakboard.statistics.permutation import null_deviation

WIDTHS = (0.05, 0.03, 0.02, 0.01)


@pytest.mark.parametrize(("auc", "a_side"), [(0.5, (257, 712, 1602, 6403)), (0.8, (151, 418, 940, 3757))])
def test_the_fewest_samples_for_a_width_are_the_fewest(auc, a_side):
    assert tuple(power.samples_for_half_width(width, auc) for width in WIDTHS) == a_side
    for width, count in zip(WIDTHS, a_side, strict=True):
        assert power.auc_half_width(auc, count, count) <= width < power.auc_half_width(auc, count - 1, count - 1)


@pytest.mark.parametrize(("members", "nonmembers"), [(1, 1), (7, 7), (20, 300), (500, 12)])
def test_at_one_half_the_deviation_is_that_under_chance(members, nonmembers):
    assert power.auc_deviation(0.5, members, nonmembers) == pytest.approx(null_deviation(members, nonmembers))


def test_the_deviation_is_that_of_exponential_scores_whichever_side_is_larger():
    rng = np.random.default_rng(0)
    for members, nonmembers in ((10, 60), (60, 10)):
        scores = rng.exponential(4, (20_000, members)), rng.exponential(1, (20_000, nonmembers))
        wins = mannwhitneyu(*scores, axis=1, method="asymptotic").statistic / (members * nonmembers)
        assert wins.mean() == pytest.approx(0.8, abs=0.002)
        assert power.auc_deviation(0.8, members, nonmembers) == pytest.approx(wins.std(), rel=0.02)
    assert power.auc_deviation(0.8, 10, 60) == pytest.approx(power.auc_deviation(0.2, 60, 10))


@pytest.mark.parametrize("auc", [0.5, 0.7, 0.95])
def test_limits_of_the_reported_interval_are_as_far_away(auc):
    for limit in newcombe(auc, 150, 150, 0.95):
        assert power.auc_half_width(limit, 150, 150) == pytest.approx(abs(auc - limit), abs=1e-6)


@pytest.mark.parametrize("auc", [0.52, 0.55, 0.6, 0.7, 0.9, 0.9999])
def test_the_fewest_samples_for_an_auc_are_the_fewest(auc):
    count = power.samples_for_auc(auc)
    assert power.smallest_auc(count, count) <= auc
    fewer = power.smallest_auc(count - 1, count - 1)
    assert fewer is None or fewer > auc


def test_the_smallest_auc_is_found_as_often_as_it_says():
    rng = np.random.default_rng(1)
    shift = 2**0.5 * 0.2914  # normal scores this far apart have the AUC 0.6146
    p = mannwhitneyu(rng.normal(shift, 1, (4000, 100)), rng.normal(0, 1, (4000, 100)), axis=1).pvalue
    assert power.smallest_auc(100, 100) == pytest.approx(0.6146, abs=1e-4)
    assert np.mean(p < 0.05) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("members", "nonmembers"), [(1, 1), (3, 3), (1, 10**6), (1, 38)])
def test_no_auc_is_told_from_chance_where_not_even_separation_is(members, nonmembers):
    assert power.smallest_auc(members, nonmembers) is None


def test_a_threshold_without_false_positives_shows_a_rate_one_sided():
    assert (power.clean_nonmembers(0.01), power.clean_nonmembers(0.001)) == (299, 2995)
    assert 0.99**299 <= 0.05 < 0.99**298
    assert power.highest_clean_rate(299) <= 0.01 < power.highest_clean_rate(298)


def test_no_hit_caps_the_tpr_two_sided():
    caps = [power.cap_without_hit(members) for members in (16, 100, 256, 1000)]
    assert [round(100 * cap, 2) for cap in caps] == [20.59, 3.62, 1.43, 0.37]
    assert binom.pmf(0, 100, caps[1]) == pytest.approx(0.025)
