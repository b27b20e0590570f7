"""The step ROC and what is read off it."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from helpers.scores import drawn
from leakboard.statistics.roc import lowest_threshold, roc, tpr_at_fpr

at_1pct, at_01pct = (functools.partial(tpr_at_fpr, rate=rate) for rate in (0.01, 0.001))


@pytest.mark.parametrize(("members", "nonmembers"), [(60, 120), (300, 1500)])
def test_low_fpr_interval_covers_at_least_as_often_as_it_says(members, nonmembers):
    from scipy.stats import norm

    for measure, rate in ((at_1pct, 0.01), (at_01pct, 0.001)):
        truth = norm.sf((norm.isf(rate) - 1.5) / 1.3)
        cells = (measure(*drawn(seed, members, nonmembers, 1.5)) for seed in range(600))
        assert np.mean([c.low <= truth <= c.high for c in cells]) >= 0.95


def test_low_fpr_interval_covers_with_ties_too():
    """Scores on a coarse grid: the target is the TPR at the lowest threshold that at most 1 % of non-members exceed."""
    rng = np.random.default_rng(0)
    member = np.arange(700) < 200
    hits = []
    for _ in range(600):
        members = rng.choice(4, 200, p=[0.3, 0.3, 0.2, 0.2])
        scores = np.concatenate([members, rng.choice(4, 500, p=[0.6, 0.3, 0.092, 0.008])])
        cell = at_1pct(scores, member)
        hits.append(cell.low <= 0.2 <= cell.high)
    assert np.mean(hits) >= 0.95


def test_tpr_is_read_off_the_exact_step():
    """At 1 % of 200 two false positives are allowed; the third non-member's own score is not passed."""
    nonmembers = np.concatenate([[9.0, 8.0, 7.0], np.zeros(197)])
    members = np.array([10.0, 8.5, 7.5, 7.0, 6.0])
    scores, member = np.concatenate([members, nonmembers]), np.arange(205) < 5
    assert at_1pct(scores, member).value == pytest.approx(3 / 5)
    assert at_01pct(scores, member).value == pytest.approx(1 / 5)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.07, 0.3, 1.0])
@pytest.mark.parametrize("count", [1, 30, 100, 300])
def test_the_threshold_is_the_lowest_that_few_enough_nonmembers_exceed(rate, count):
    """In whole numbers: 0.07 * 100 is a little more than 7 in floats, 0.3 * 30 a little less than 9."""
    scores = np.sort(np.round(np.random.default_rng(0).normal(size=count), 1))
    allowed = round(rate * 100) * count // 100
    threshold = lowest_threshold(scores, rate)
    assert (scores > threshold).sum() <= allowed
    below = scores[scores < threshold]
    assert threshold == -np.inf if allowed == count else (scores >= threshold).sum() > allowed
    assert not len(below) or (scores > below.max()).sum() > allowed


def test_tied_nonmembers_are_passed_together_or_not_at_all():
    nonmembers = np.concatenate([[9.0, 8.0, 8.0, 8.0], np.zeros(196)])
    scores, member = np.concatenate([[10.0, 8.5, 8.0, 7.0], nonmembers]), np.arange(204) < 4
    assert at_1pct(scores, member).value == pytest.approx(2 / 4)


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
    scores = np.random.default_rng(0).normal(size=nonmembers + 10)
    assert [measure(scores, member).flag for measure in (at_1pct, at_01pct)] == flags


def test_roc_passes_through_the_quoted_tprs_and_is_thin():
    scores, member = drawn(9, 2000, 3000)
    fpr, tpr = roc(scores, member)
    assert 40 <= len(fpr) <= 62
    assert (fpr[0], fpr[-1], tpr[-1]) == (0, 1, 1)
    assert (np.diff(fpr) > 0).all()
    assert (np.diff(tpr) >= 0).all()
    assert tpr[fpr <= 0.01][-1] <= at_1pct(scores, member).value <= tpr[fpr >= 0.01][0]
    assert tpr[0] == np.mean(scores[member] > scores[~member].max())
