"""Numbers one can trust: estimates against brute force and scikit-learn, intervals against simulation."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from leakboard.errors import LeakboardError
from leakboard.statistics.intervals import Interval, clopper_pearson, exceedance_bounds, sum_interval, wilson
from leakboard.statistics.measures import (
    NullCheck,
    beyond_chance,
    chance_p_value,
    choose_threshold,
    evaluate,
    paired_auc_difference,
    roc,
    seed_spread,
)


def measured(scores, member, threshold=None, level=0.95):
    return {m.name: m for m in evaluate(scores, member, threshold=threshold, level=level)}


def drawn(seed, members, nonmembers, shift=1.0, decimals=None):
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.normal(shift, 1.3, members), rng.normal(0, 1, nonmembers)])
    order = rng.permutation(len(scores))
    member = np.arange(len(scores)) < members
    return (scores if decimals is None else scores.round(decimals))[order], member[order]


def kernel(members, nonmembers):
    difference = np.subtract.outer(members, nonmembers)
    return (difference > 0) + 0.5 * (difference == 0)


def brute_covariance(a, b, member):
    """DeLong, DeLong and Clarke-Pearson's covariance of two AUCs, straight from the m x n kernel."""
    first, second = (kernel(s[member], s[~member]) for s in (a, b))
    rows = np.cov(first.mean(1), second.mean(1))[0, 1] / member.sum()
    return rows + np.cov(first.mean(0), second.mean(0))[0, 1] / (~member).sum()


@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_auc_agrees_with_scikit_learn_and_with_all_pairs(decimals):
    scores, member = drawn(3, 83, 121, decimals=decimals)
    auc = measured(scores, member)["auc"].value
    assert auc == pytest.approx(roc_auc_score(member, scores), abs=1e-12)
    assert auc == pytest.approx(kernel(scores[member], scores[~member]).mean(), abs=1e-12)


def test_auc_is_never_turned_around():
    scores, member = drawn(3, 80, 80)
    good, bad = measured(scores, member)["auc"], measured(-scores, member)["auc"]
    assert bad.value == pytest.approx(1 - good.value)
    assert (bad.low, bad.high) == pytest.approx((1 - good.high, 1 - good.low))


@pytest.mark.parametrize("decimals", [None, 0])
def test_auc_interval_is_delong_on_the_logit_scale(decimals):
    scores, member = drawn(5, 60, 90, decimals=decimals)
    auc = measured(scores, member)["auc"]
    error = math.sqrt(brute_covariance(scores, scores, member)) / (auc.value * (1 - auc.value))
    centre = math.log(auc.value / (1 - auc.value))
    expected = [1 / (1 + math.exp(-(centre + side * 1.959963984540054 * error))) for side in (-1, 1)]
    assert [auc.low, auc.high] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("decimals", [None, 0])
def test_paired_difference_is_delongs(decimals):
    a, member = drawn(1, 70, 50, decimals=decimals)
    b = (a + np.random.default_rng(2).normal(0, 1, len(a))).round(3 if decimals is None else decimals)
    variance = brute_covariance(a, a, member) + brute_covariance(b, b, member) - 2 * brute_covariance(a, b, member)
    found = paired_auc_difference(a, b, member)
    value = roc_auc_score(member, a) - roc_auc_score(member, b)
    half = 1.959963984540054 * math.sqrt(variance)
    assert [found.value, found.low, found.high] == pytest.approx([value, value - half, value + half], abs=1e-10)
    assert found.p_value == pytest.approx(math.erfc(abs(value) / math.sqrt(2 * variance)), rel=1e-8)
    assert paired_auc_difference(b, a, member).value == pytest.approx(-value)


def test_paired_difference_of_degenerate_scores_is_defined():
    member = np.arange(40) < 20
    perfect, constant = member.astype(float), np.zeros(40)
    same = paired_auc_difference(perfect, perfect * 3, member)
    assert (same.value, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    far = paired_auc_difference(perfect, constant, member)
    assert far.value == 0.5
    assert 0 < far.low < 0.5 < far.high <= 1
    assert far.p_value < 0.01
    single = paired_auc_difference(np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.array([True, False]))
    assert single.p_value == 1


def test_constant_scores_are_chance_with_an_interval():
    member = np.arange(60) < 30
    auc = measured(np.ones(60), member)["auc"]
    assert auc.value == 0.5
    assert 0.25 < auc.low < 0.4
    assert auc.high == pytest.approx(1 - auc.low)


def test_perfect_separation_keeps_an_honest_lower_limit():
    member = np.arange(60) < 30
    auc = measured(member.astype(float), member)["auc"]
    assert (auc.value, auc.high) == (1, 1)
    assert auc.low == pytest.approx(0.025 ** (1 / 30))
    turned = measured(-member.astype(float), member)["auc"]
    assert (turned.value, turned.low) == (0, 0)
    assert turned.high == pytest.approx(1 - auc.low)


def test_one_sample_a_side_has_the_widest_intervals():
    found = measured([1.0, 0.0], [True, False], threshold=0.5)
    assert (found["auc"].low, found["auc"].high) == (pytest.approx(0.025), 1)
    assert all(0 <= m.low <= m.value <= m.high <= 1 for m in found.values())


def test_auc_interval_covers_the_truth_about_as_often_as_it_says():
    """Also at an AUC near one, where a plain Wald interval falls short."""
    for shift, slack in ((0.0, 0.02), (0.8, 0.02), (3.0, 0.035)):
        truth = 0.5 * math.erfc(-shift / math.sqrt(1.3**2 + 1) / math.sqrt(2))
        cells = (measured(*drawn(seed, 80, 80, shift))["auc"] for seed in range(1500))
        assert np.mean([c.low <= truth <= c.high for c in cells]) == pytest.approx(0.95, abs=slack), shift


@pytest.mark.parametrize(("members", "nonmembers"), [(60, 120), (300, 1500)])
def test_low_fpr_interval_covers_at_least_as_often_as_it_says(members, nonmembers):
    from scipy.stats import norm

    for name, rate in (("tpr_at_1pct_fpr", 0.01), ("tpr_at_0.1pct_fpr", 0.001)):
        truth = norm.sf((norm.isf(rate) - 1.5) / 1.3)
        cells = (measured(*drawn(seed, members, nonmembers, 1.5))[name] for seed in range(600))
        assert np.mean([c.low <= truth <= c.high for c in cells]) >= 0.95


def test_low_fpr_interval_covers_with_ties_too():
    """Scores on a coarse grid: the target is the TPR at the lowest threshold that at most 1 % of non-members exceed."""
    rng = np.random.default_rng(0)
    member = np.arange(700) < 200
    hits = []
    for _ in range(600):
        members = rng.choice(4, 200, p=[0.3, 0.3, 0.2, 0.2])
        scores = np.concatenate([members, rng.choice(4, 500, p=[0.6, 0.3, 0.092, 0.008])])
        cell = measured(scores, member)["tpr_at_1pct_fpr"]
        hits.append(cell.low <= 0.2 <= cell.high)
    assert np.mean(hits) >= 0.95


def test_tpr_is_read_off_the_exact_step():
    """At 1 % of 200 two false positives are allowed; the third non-member's own score is not passed."""
    nonmembers = np.concatenate([[9.0, 8.0, 7.0], np.zeros(197)])
    members = np.array([10.0, 8.5, 7.5, 7.0, 6.0])
    scores, member = np.concatenate([members, nonmembers]), np.arange(205) < 5
    found = measured(scores, member)
    assert found["tpr_at_1pct_fpr"].value == pytest.approx(3 / 5)
    assert found["tpr_at_0.1pct_fpr"].value == pytest.approx(1 / 5)


def test_tied_nonmembers_are_passed_together_or_not_at_all():
    nonmembers = np.concatenate([[9.0, 8.0, 8.0, 8.0], np.zeros(196)])
    scores, member = np.concatenate([[10.0, 8.5, 8.0, 7.0], nonmembers]), np.arange(204) < 4
    assert measured(scores, member)["tpr_at_1pct_fpr"].value == pytest.approx(2 / 4)


@pytest.mark.parametrize(
    ("nonmembers", "flags"),
    [
        (99, ["hidden", "hidden"]),
        (100, ["uncalibrated", "hidden"]),
        (999, ["uncalibrated", "hidden"]),
        (1000, ["", "uncalibrated"]),
        (10000, ["", ""]),
    ],
)
def test_low_fpr_is_flagged_when_non_members_are_few(nonmembers, flags):
    member = np.arange(nonmembers + 10) < 10
    found = evaluate(np.random.default_rng(0).normal(size=nonmembers + 10), member, threshold=0.0)
    assert [m.flag for m in found] == ["", *flags, ""]
    assert [m.name for m in found] == ["auc", "tpr_at_1pct_fpr", "tpr_at_0.1pct_fpr", "balanced_accuracy"]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=30),
    st.lists(st.integers(-50, 50), min_size=1, max_size=30),
)
def test_only_the_order_of_scores_matters(members, nonmembers):
    scores = np.array(members + nonmembers, dtype=float)
    member = np.arange(len(scores)) < len(members)
    assert evaluate(scores, member, threshold=None) == evaluate(scores**3 + scores, member, threshold=None)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=25),
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=25),
)
def test_every_estimate_lies_in_its_interval(members, nonmembers):
    scores = np.array(members + nonmembers)
    member = np.arange(len(scores)) < len(members)
    for m in evaluate(scores, member, threshold=choose_threshold(scores, member)):
        assert 0 <= m.low <= m.value + 1e-12
        assert m.value - 1e-12 <= m.high <= 1


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=20),
    st.lists(st.integers(0, 6), min_size=1, max_size=20),
)
def test_chosen_threshold_is_the_best_there_is(members, nonmembers):
    scores = np.array(members + nonmembers, dtype=float)
    member = np.arange(len(scores)) < len(members)

    def balanced(threshold):
        return (np.mean(scores[member] > threshold) + np.mean(scores[~member] <= threshold)) / 2

    chosen = balanced(choose_threshold(scores, member))
    assert chosen == pytest.approx(max(balanced(t) for t in [-1, *(np.arange(8) - 0.5)]))
    found = measured(scores, member, choose_threshold(scores, member))
    assert found["balanced_accuracy"].value == pytest.approx(chosen)


def test_threshold_lies_midway_and_separates_neighbouring_floats():
    member = np.array([True, True, False, False])
    assert choose_threshold([4.0, 3.0, 1.0, 0.0], member) == 2.0
    tight = choose_threshold([np.nextafter(1, 2)] * 2 + [1.0] * 2, member)
    assert tight == 1.0


def test_balanced_accuracy_interval_covers_about_as_often_as_it_says():
    from scipy.stats import norm

    truth = (norm.sf(0.5, 1, 1.3) + norm.cdf(0.5)) / 2
    cells = (measured(*drawn(seed, 60, 90), threshold=0.5)["balanced_accuracy"] for seed in range(1500))
    assert np.mean([c.low <= truth <= c.high for c in cells]) == pytest.approx(0.95, abs=0.02)


def test_roc_passes_through_the_quoted_tprs_and_is_thin():
    scores, member = drawn(9, 2000, 3000)
    fpr, tpr = roc(scores, member)
    found = measured(scores, member)
    assert 40 <= len(fpr) <= 62
    assert (fpr[0], fpr[-1], tpr[-1]) == (0, 1, 1)
    assert (np.diff(fpr) > 0).all()
    assert (np.diff(tpr) >= 0).all()
    assert tpr[fpr <= 0.01][-1] <= found["tpr_at_1pct_fpr"].value <= tpr[fpr >= 0.01][0]
    assert tpr[0] == np.mean(scores[member] > scores[~member].max())


@pytest.mark.parametrize(("flags", "counts"), [([True] * 4, "4 members, 0 non"), ([False] * 4, "0 members, 4 non")])
def test_one_sided_samples_are_refused_with_their_counts(flags, counts):
    for call in (lambda: evaluate(np.arange(4.0), flags, threshold=0), lambda: roc(np.arange(4.0), flags)):
        with pytest.raises(LeakboardError, match=counts):
            call()


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(LeakboardError, match="2 of 4 scores are not finite"):
        evaluate([1, math.nan, math.inf, 0], [True, False, True, False], threshold=None)
    with pytest.raises(LeakboardError, match="two equal rows"):
        evaluate([1.0, 2.0], [True], threshold=None)


def test_chance_p_value_recovers_the_test_behind_the_interval():
    scores, member = drawn(4, 100, 100, 0.3)
    for level in (0.9, 0.99):
        auc = measured(scores, member, level=level)["auc"]
        error = math.sqrt(brute_covariance(scores, scores, member)) / (auc.value * (1 - auc.value))
        z = abs(math.log(auc.value / (1 - auc.value))) / error
        assert chance_p_value(auc.value, auc.low, auc.high, level) == pytest.approx(math.erfc(z / math.sqrt(2)))


def test_chance_p_value_of_degenerate_cells():
    member = np.arange(60) < 30
    perfect, constant = measured(member * 1.0, member)["auc"], measured(np.ones(60), member)["auc"]
    assert chance_p_value(perfect.value, perfect.low, perfect.high) == pytest.approx(2 * 0.5**30)
    assert chance_p_value(constant.value, constant.low, constant.high) == 1


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


def test_seed_spread():
    assert seed_spread([0.5, 0.6, 0.7]) == pytest.approx((0.6, 0.1, 3))
    assert math.isnan(seed_spread([0.5]).sd)
    with pytest.raises(LeakboardError):
        seed_spread([])


def test_a_cell_costs_less_than_a_millisecond():
    """Thousands of cells are scored in one task."""
    scores, member = drawn(0, 256, 256)
    evaluate(scores, member, threshold=0.0)
    start = time.process_time()
    for _ in range(100):
        evaluate(scores, member, threshold=0.0)
    assert (time.process_time() - start) / 100 < 0.001


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
