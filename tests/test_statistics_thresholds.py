"""The threshold chosen on some samples, and what it is worth on others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.scores import drawn
from leakboard.statistics.thresholds import balanced_accuracy, choose_threshold


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
    found = balanced_accuracy(scores, member, choose_threshold(scores, member))
    assert found.value == pytest.approx(chosen)


def test_threshold_lies_midway_and_separates_neighbouring_floats():
    member = np.array([True, True, False, False])
    assert choose_threshold([4.0, 3.0, 1.0, 0.0], member) == 2.0
    tight = choose_threshold([np.nextafter(1, 2)] * 2 + [1.0] * 2, member)
    assert tight == 1.0


def test_balanced_accuracy_interval_covers_about_as_often_as_it_says():
    from scipy.stats import norm

    truth = (norm.sf(0.5, 1, 1.3) + norm.cdf(0.5)) / 2
    cells = (balanced_accuracy(*drawn(seed, 60, 90), 0.5) for seed in range(1500))
    assert np.mean([c.low <= truth <= c.high for c in cells]) == pytest.approx(0.95, abs=0.02)


def test_without_a_threshold_there_is_no_balanced_accuracy():
    assert balanced_accuracy(*drawn(0, 8, 8), None) is None
