"""What holds for all measures that come with the harness, and the spread over seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakboard.errors import LeakboardError
from leakboard.statistics.measures import BUILT_IN, evaluate, seed_spread
from leakboard.statistics.roc import roc
from leakboard.statistics.thresholds import choose_threshold

RATES = ("auc", "tpr_at_1pct_fpr", "tpr_at_0.1pct_fpr", "balanced_accuracy")
"""Measures between 0 and 1, with an interval always."""
OF_SIZE = ("set_p_value", "set_size")
"""Measures that look at scores themselves, and not only at their order."""


def test_one_sample_a_side_has_the_widest_intervals():
    found = evaluate([1.0, 0.0], [True, False], threshold=0.5)
    assert (found["auc"].low, found["auc"].high) == (pytest.approx(0.025), 1)
    assert found.keys() == {*RATES, "epsilon"}
    assert all(0 <= found[name].low <= found[name].value <= found[name].high <= 1 for name in RATES)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=30),
    st.lists(st.integers(-50, 50), min_size=1, max_size=30),
)
def test_only_the_order_of_scores_matters(members, nonmembers):
    scores = np.array(members + nonmembers, dtype=float)
    member = np.arange(len(scores)) < len(members)
    found, other = (evaluate(each, member, threshold=None) for each in (scores, scores**3 + scores))
    assert {name: found[name] for name in found.keys() - OF_SIZE} == {
        name: other[name] for name in other.keys() - OF_SIZE
    }


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=25),
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=25),
)
def test_every_estimate_lies_in_its_interval(members, nonmembers):
    scores = np.array(members + nonmembers)
    member = np.arange(len(scores)) < len(members)
    found = evaluate(scores, member, threshold=choose_threshold(scores, member))
    for measure in BUILT_IN:
        if m := found.get(measure.name):
            least, most = measure.bounds
            low, high = m.value if m.low is None else m.low, m.value if m.high is None else m.high
            assert least <= low <= m.value + 1e-12
            assert m.value - 1e-12 <= high <= most
        assert measure.name in found or measure.name in OF_SIZE


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


def test_seed_spread():
    assert seed_spread([0.5, 0.6, 0.7]) == pytest.approx((0.6, 0.1, 3))
    assert math.isnan(seed_spread([0.5]).sd)
    with pytest.raises(LeakboardError):
        seed_spread([])
