"""AUCs with labels dealt out at random: their spread, and what checks on the same samples have in common."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from leakboard.statistics.permutation import CHUNK, Scores, dealt, fewest_chances, null_deviation
from leakboard.statistics.ranking import rank

MEMBER = np.arange(60) < 25
IDS = tuple(map(str, range(60)))


def kept(scores, rows=slice(None), member=MEMBER):
    return Scores(IDS[rows], np.asarray(scores, float)[rows], member[rows])


@pytest.mark.parametrize("scores", [[1, 2, 3, 4, 5, 6, 7], [0, 0, 1, 1, 1, 2, 3], [0, 0, 0, 0, 0, 0, 1]])
def test_the_deviation_is_that_of_all_ways_to_deal_the_labels(scores):
    deals = [np.isin(range(7), chosen) for chosen in itertools.combinations(range(7), 3)]
    aucs = [rank(scores, member).auc for member in deals]
    assert null_deviation(3, 4, scores) == pytest.approx(np.std(aucs))


def test_scores_that_are_all_equal_do_not_deviate_and_without_scores_there_are_no_ties():
    assert null_deviation(3, 4, np.zeros(7)) == 0
    assert null_deviation(3, 4) == null_deviation(3, 4, np.arange(7))


def test_the_lowest_p_value_counts_the_ways_to_deal_the_labels():
    assert fewest_chances(3, 3) == pytest.approx(2 / 20)
    assert fewest_chances(1, 1) == 1
    assert 0 <= fewest_chances(5000, 10_000) < 1e-300


def test_checks_that_say_the_same_deviate_together_and_others_do_not():
    rng = np.random.default_rng(0)
    scores, other = rng.normal(size=60), rng.normal(size=60)
    found = dealt([kept(scores), kept(np.exp(scores)), kept(-scores), kept(other)], 2 * CHUNK + 10)

    assert found.shape == (2 * CHUNK + 10, 4)
    assert found[:, 1] == pytest.approx(found[:, 0], abs=1e-4)
    assert found[:, 2] == pytest.approx(-found[:, 0], abs=1e-4)
    assert abs(np.corrcoef(found[:, 0], found[:, 3])[0, 1]) < 0.35
    assert found.std(0) == pytest.approx(1)
    assert found.mean(0) == pytest.approx(0, abs=1e-12)


def test_the_largest_deviation_of_one_check_is_a_normal_ones():
    found = np.abs(dealt([kept(np.arange(60.0))], 4000))
    assert np.quantile(found, 0.95) == pytest.approx(1.96, abs=0.08)


def test_checks_on_overlapping_samples_share_what_overlaps():
    scores = np.random.default_rng(0).normal(size=60)
    found = dealt([kept(scores, slice(0, 45)), kept(scores, slice(15, 60))], 1500)
    assert 0.4 < np.corrcoef(found.T)[0, 1] < 0.85


def test_equal_scores_have_no_deviation():
    assert (dealt([kept(np.ones(60)), kept(np.arange(60))], 20)[:, 0] == 0).all()


def test_checks_that_disagree_on_who_is_a_member_are_not_dealt_out_together():
    with pytest.raises(ValueError, match="agree on who is a member"):
        dealt([kept(np.arange(60)), kept(np.arange(60), member=~MEMBER)], 5)


def test_the_same_seed_deals_the_same_labels():
    checks = [kept(np.arange(60))]
    assert (dealt(checks, 30, 1) == dealt(checks, 30, 1)).all()
    assert (dealt(checks, 30, 1) != dealt(checks, 30, 2)).any()
