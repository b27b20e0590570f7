"""Verdicts on whole sets: against scipy, and as often right as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from helpers.scores import drawn
from leakboard.errors import LeakboardError
from leakboard.statistics.mixture import share_used
from leakboard.statistics.sets import LEVEL, POWER, resampled, set_p_value, set_size


def welch(mine, theirs, axis=-1):
    return ttest_ind(mine, theirs, equal_var=False, alternative="greater", axis=axis).pvalue


@pytest.mark.parametrize(("members", "nonmembers", "shift"), [(5, 9, 0.0), (40, 300, 0.4), (100, 100, -0.5), (2, 2, 1)])
def test_the_p_value_is_welchs(members, nonmembers, shift):
    scores, member = drawn(3, members, nonmembers, shift)
    assert set_p_value(scores, member).value == pytest.approx(welch(scores[member], scores[~member]), rel=1e-6)


@pytest.mark.parametrize("way", [lambda s: 1e-300 * s, lambda s: 1e300 * s, lambda s: 5 + 1e-3 * s])
def test_no_scale_and_no_shift_changes_what_a_set_shows(way):
    scores, member = drawn(1, 60, 60, 0.7)
    assert set_p_value(way(scores), member).value == pytest.approx(set_p_value(scores, member).value, rel=1e-6)
    assert set_size(way(scores), member) == set_size(scores, member)


def test_what_cannot_be_told_is_not_told():
    member = np.arange(6) < 3
    assert set_p_value(np.ones(6), member) is None
    assert set_size(np.ones(6), member) is None
    assert set_p_value(np.array([1.0, 2.0, 3.0]), np.array([True, False, False])) is None
    assert set_size(*drawn(0, 500, 500, -1.0)) is None
    assert set_size(*drawn(0, 500, 500, 0.0)) is None


def test_sides_without_any_spread_are_told_at_once():
    member = np.arange(6) < 3
    assert (set_p_value(member + 0.0, member).value, set_p_value(-1.0 * member, member).value) == (0, 1)
    assert set_size(member + 0.0, member)[:3] == (2, 2, 2)
    assert set_size(-1.0 * member, member) is None


@pytest.mark.parametrize(("shift", "spread"), [(0.5, 1.0), (1.0, 1.0), (0.6, 2.0)])
def test_sets_of_that_size_are_found_as_often_as_it_says(shift, spread):
    """From scores so many that their gap is known; sets and held-out samples are drawn anew."""
    rng = np.random.default_rng(0)
    member = np.arange(400_000) < 200_000
    scores = np.where(member, rng.normal(shift, spread, len(member)), rng.normal(0, 1, len(member)))
    count = int(set_size(scores, member).value)
    p = welch(rng.normal(shift, spread, (4000, count)), rng.normal(0, 1, (4000, count)))
    assert np.mean(p < LEVEL) == pytest.approx(POWER, abs=0.025)
    assert np.mean(p[: len(p) // 2] < LEVEL) < 0.9


def test_the_interval_of_the_size_holds_the_true_one():
    true = set_size(*drawn(0, 200_000, 200_000, 0.6)).value
    found = [set_size(*drawn(seed, 400, 400, 0.6)) for seed in range(600)]
    assert all(each is not None and each.low <= each.value <= each.high for each in found)
    assert np.mean([each.low <= true <= each.high for each in found]) == pytest.approx(0.95, abs=0.03)


def test_resampled_sets_are_found_as_often_as_new_ones():
    rng = np.random.default_rng(2)
    mine, theirs = rng.normal(0.5, 1, 50_000), rng.normal(0, 1, 50_000)
    sizes = [10, 40, 80]
    new = [np.mean(welch(rng.normal(0.5, 1, (3000, n)), rng.normal(0, 1, (3000, n))) < LEVEL) for n in sizes]
    assert resampled(mine, theirs, sizes, draws=3000) == pytest.approx(new, abs=0.03)
    assert resampled(mine, theirs, sizes) == resampled(mine, theirs, sizes)


def test_resampled_sets_of_equal_scores_are_found_where_they_are_higher():
    same, higher = np.zeros(5), np.ones(5)
    assert resampled(higher, same, [3]) == [1.0]
    assert resampled(same, same, [3]) == [0.0]


def mixed(rng, share, count, kind):
    """Suspect scores of which a share is a member's, and as many of members and of non-members."""

    def members(size):
        return rng.normal(1, 1.5, size) if kind == "normal" else rng.exponential(2, size)

    def others(size):
        return rng.normal(0, 1, size) if kind == "normal" else rng.exponential(1, size)

    used = round(share * count)
    return np.concatenate([members(used), others(count - used)]), members(count), others(count)


@pytest.mark.parametrize("kind", ["normal", "exponential"])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_the_interval_of_a_share_holds_the_true_one(share, kind):
    rng = np.random.default_rng(5)
    found = [share_used(*mixed(rng, share, 100, kind)) for _ in range(800)]
    told = [each for each in found if each is not None]
    assert len(told) > 780
    assert all(0 <= each.low <= each.value <= each.high <= 1 for each in told)
    assert np.mean([each.low <= share <= each.high for each in told]) >= 0.935


def test_no_share_is_told_where_members_are_not_told_apart():
    rng = np.random.default_rng(0)
    assert share_used(*rng.normal(size=(3, 200))) is None
    assert share_used(np.ones(4), np.ones(4), np.ones(4)) is None


def test_scores_of_members_that_are_lower_tell_a_share_too():
    rng = np.random.default_rng(0)
    suspect, members, others = mixed(rng, 0.5, 400, "normal")
    mine, turned = share_used(suspect, members, others), share_used(-suspect, -members, -others)
    assert turned[:3] == pytest.approx(mine[:3])


def test_a_share_of_single_samples_is_refused():
    with pytest.raises(LeakboardError, match="1, 5, 5 of the set"):
        share_used(np.ones(1), np.arange(5.0), np.arange(5.0))
