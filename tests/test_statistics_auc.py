"""The area under the curve: against brute force and scikit-learn, intervals against simulation."""

from __future__ import annotations

import math
import runpy
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from helpers.scores import brute_covariance, drawn, kernel
from leakboard.statistics.auc import auc, paired_auc_difference
from leakboard.statistics.intervals import newcombe

COVERAGE = Path(__file__).parents[1] / "benchmarks" / "coverage.py"


@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_auc_agrees_with_scikit_learn_and_with_all_pairs(decimals):
    scores, member = drawn(3, 83, 121, decimals=decimals)
    found = auc(scores, member).value
    assert found == pytest.approx(roc_auc_score(member, scores), abs=1e-12)
    assert found == pytest.approx(kernel(scores[member], scores[~member]).mean(), abs=1e-12)


def test_auc_is_never_turned_around():
    scores, member = drawn(3, 80, 80)
    good, bad = auc(scores, member), auc(-scores, member)
    assert bad.value == pytest.approx(1 - good.value)
    assert (bad.low, bad.high) == pytest.approx((1 - good.high, 1 - good.low))


@pytest.mark.parametrize("decimals", [None, 0])
def test_auc_interval_holds_delongs_on_the_logit_scale_and_newcombes(decimals):
    scores, member = drawn(5, 60, 90, decimals=decimals)
    found = auc(scores, member)
    error = math.sqrt(brute_covariance(scores, scores, member)) / (found.value * (1 - found.value))
    centre = math.log(found.value / (1 - found.value))
    low, high = (1 / (1 + math.exp(-(centre + side * 1.959963984540054 * error))) for side in (-1, 1))
    modelled = newcombe(found.value, 60, 90, 0.95)
    assert (found.low, found.high) == pytest.approx((min(low, modelled.low), max(high, modelled.high)), abs=1e-10)


@pytest.mark.parametrize(
    ("measure", "shape", "area", "members", "nonmembers"),
    [
        ("auc", "normal", 0.5, 25, 25),
        ("auc", "normal", 0.95, 25, 500),
        ("auc", "normal", 0.999, 256, 256),
        ("auc", "spread", 0.95, 100, 100),
        ("auc", "exponential", 0.99, 100, 100),
        ("auc", "levels", 0.95, 25, 25),
        ("auc", "levels", 0.95, 500, 25),
        ("tpr", "normal", 0.8, 60, 500),
        ("tpr", "spread", 0.95, 256, 2000),
    ],
)
def test_intervals_hold_the_truth_as_often_as_they_say(measure, shape, area, members, nonmembers):
    """Four hundred draws: 93 % is within two standard errors of 95 %; `benchmarks/coverage.py` tries many more."""
    simulate = runpy.run_path(str(COVERAGE))["simulate"]
    assert simulate(measure, shape, area, members, nonmembers, 400).coverage >= 0.93


def test_low_fpr_intervals_are_not_wider_than_they_need_be():
    """Fixed shares of the error for each step gave .228 here, in the mean of many draws."""
    simulate = runpy.run_path(str(COVERAGE))["simulate"]
    assert simulate("tpr", "normal", 0.85, 256, 1000, 40).width < 0.2


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
    found = auc(np.ones(60), member)
    assert found.value == 0.5
    assert 0.25 < found.low < 0.4
    assert found.high == pytest.approx(1 - found.low)


def test_perfect_separation_keeps_an_honest_lower_limit():
    member = np.arange(60) < 30
    found = auc(member.astype(float), member)
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025 ** (1 / 30))
    turned = auc(-member.astype(float), member)
    assert (turned.value, turned.low) == (0, 0)
    assert turned.high == pytest.approx(1 - found.low)


def test_auc_interval_covers_the_truth_about_as_often_as_it_says():
    """Also at an AUC near one, where a plain Wald interval falls short."""
    for shift, slack in ((0.0, 0.02), (0.8, 0.02), (3.0, 0.035)):
        truth = 0.5 * math.erfc(-shift / math.sqrt(1.3**2 + 1) / math.sqrt(2))
        cells = (auc(*drawn(seed, 80, 80, shift)) for seed in range(1500))
        assert np.mean([c.low <= truth <= c.high for c in cells]) == pytest.approx(0.95, abs=slack), shift
