"""Which attacks are tied, on the same samples and over several blocks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, rankdata, spearmanr

from leakboard.errors import LeakboardError
from leakboard.statistics.auc import paired_auc_difference
from leakboard.statistics.exposure import agreement, by_how_many, caught, exposure, overlap
from leakboard.statistics.mean_ranks import mean_ranks
from leakboard.statistics.multiple import holm
from leakboard.statistics.roc import tpr_at_fpr
from leakboard.statistics.ties import ties


def attacks(seed, *strengths, count=400, own=0.5):
    """Scores of attacks on the same samples, most of whose noise is common to all."""
    rng = np.random.default_rng(seed)
    member = np.arange(2 * count) % 2 == 0
    common = rng.normal(size=2 * count)
    return [gain * member + common + own * rng.normal(size=2 * count) for gain in strengths], member


def test_attacks_that_are_equally_good_are_tied_and_worse_ones_are_not():
    found = ties(*attacks(0, 1.5, 1.5, 1.5, 0.7, 0.7, 0.0))
    groups = [set(group) for group in found.groups]
    assert groups == [{0, 1, 2}, {3, 4}, {5}]
    assert found.groups[0][0] == 0
    assert [found.of(number) for number in range(6)] == [(0,), (0,), (0,), (1,), (1,), (2,)]


def test_p_values_are_those_of_paired_comparisons_with_the_first_after_holm():
    scores, member = attacks(1, 1.2, 1.0, 0.9, 1.1)
    found = ties(scores, member)
    single = [paired_auc_difference(each, scores[0], member) for each in scores[1:]]
    assert found.differences == (None, *single)
    assert found.p_values == pytest.approx((1.0, *holm([each.p_value for each in single])))


def test_an_attack_between_two_is_tied_with_both():
    found = ties(*attacks(2, 1.0, 0.8, 0.6, count=150, own=0.8))
    assert found.of(1) == (0, 1)
    assert (found.of(0), found.of(2)) == ((0,), (1,))


def test_the_first_leads_even_where_another_is_higher():
    found = ties(*attacks(0, 0.5, 1.5, 1.5))
    assert found.groups[0] == (0,)
    assert set(found.groups[1]) == {1, 2}
    assert found.differences[1].value > 0


def test_equal_attacks_are_called_different_as_seldom_as_it_says():
    apart = sum(len(ties(*attacks(seed, 1.0, 1.0, 1.0, 1.0, 1.0, count=60)).groups[0]) < 5 for seed in range(400))
    assert apart / 400 <= 0.075


def test_one_attack_and_none_are_tied_with_nobody():
    scores, member = attacks(0, 1.0)
    assert ties(scores, member).groups == ((0,),)
    assert ties([], member).groups == ()


def test_friedmans_test_is_scipys_and_ties_share_a_rank():
    values = np.round(np.random.default_rng(0).normal(size=(12, 5)), 0)
    found = mean_ranks(values)
    assert found.p_value == pytest.approx(friedmanchisquare(*values.T).pvalue, rel=1e-5)
    np.testing.assert_allclose(found.ranks, rankdata(-values, axis=1).mean(0), rtol=1e-6)


@pytest.mark.parametrize(("attacks", "factor"), [(2, 1.960), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_has_the_factors_of_the_paper(attacks, factor):
    """Table 5a of Demsar 2006."""
    critical = mean_ranks(np.random.default_rng(0).normal(size=(20, attacks))).critical
    assert critical == pytest.approx(factor * np.sqrt(attacks * (attacks + 1) / 120), abs=2e-3)


def test_attacks_within_the_critical_difference_are_one_clique():
    values = np.stack([np.r_[np.random.default_rng(row).normal(0, 1, 2) + 20, 10, 0] for row in range(30)])
    found = mean_ranks(values)
    assert found.ranks[2:].tolist() == [3, 4]
    assert found.critical > 0.85
    assert [set(clique) for clique in found.cliques()] == [{0, 1}]
    assert [set(clique) for clique in mean_ranks(values[:3]).cliques()] == [{0, 1, 2, 3}]


def test_ranks_of_nothing_but_ties_tell_nothing_apart():
    found = mean_ranks(np.ones((3, 4)))
    assert (found.p_value, found.ranks.tolist()) == (1, [2.5] * 4)
    assert [len(clique) for clique in found.cliques()] == [4]


@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
def test_one_block_or_one_attack_has_no_mean_ranks(shape):
    with pytest.raises(LeakboardError, match="two blocks and two attacks"):
        mean_ranks(np.zeros(shape))


@pytest.mark.parametrize("rate", [0.01, 0.1])
@pytest.mark.parametrize("count", [30, 400])
def test_the_share_of_members_that_are_caught_is_the_tpr(rate, count):
    (scores,), member = attacks(0, 1.0, count=count)
    for values in (scores, np.round(scores)):
        assert caught(values, member, rate).mean() == tpr_at_fpr(values, member, rate=rate).value


def test_exposure_is_the_share_of_nonmembers_below_and_its_mean_the_auc():
    (scores,), member = attacks(0, 1.0)
    rounded = np.round(scores)
    each = [np.mean((one > rounded[~member]) + 0.5 * (one == rounded[~member])) for one in rounded[member]]
    np.testing.assert_allclose(exposure(rounded, member), each)


def test_agreement_is_spearmans_and_constant_rows_agree_with_nobody():
    rows = np.round(np.random.default_rng(0).normal(size=(3, 80)), 1)
    np.testing.assert_allclose(agreement(rows), spearmanr(rows, axis=1).statistic, atol=1e-6)
    assert np.isnan(agreement(np.stack([rows[0], np.zeros(80)]))[0, 1])


def test_overlap_is_of_those_that_either_catches():
    found = overlap(np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]], bool))
    assert found[0, 1] == pytest.approx(1 / 3)
    assert found[0, 0] == 1
    assert np.isnan(found[2, 2])


def test_members_are_counted_by_how_many_attacks_catch_them_and_against_chance():
    rng = np.random.default_rng(0)
    share, chance = by_how_many(rng.random((4, 200_000)) < 0.3)
    np.testing.assert_allclose(share, chance, atol=0.005)
    same = np.tile(rng.random(1000) < 0.3, (4, 1))
    share, chance = by_how_many(same)
    assert set(share.tolist()) == {same[0].mean()}
    assert chance[3] == pytest.approx(same[0].mean() ** 4)
