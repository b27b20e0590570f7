"""Null checks: which of them chance explains, which faults they would find, and how often they cry wolf."""

from __future__ import annotations

import math

import numpy as np
import pytest

from leakboard.statistics.nulls import (
    AT_CHANCE,
    FAMILY_ERROR,
    NOT_AT_CHANCE,
    TOO_FEW,
    NullCheck,
    chance_p_value,
    judge,
)
from leakboard.statistics.permutation import Scores
from leakboard.statistics.ranking import rank

IDS = tuple(f"{number:03}" for number in range(400))


def made(auc, side=100, access="none", victim="a", labels="true", what="check"):
    """A check without its scores, judged by its counts."""
    return NullCheck(labels, access, victim, what, auc, side, side)


def scored(scores, member, what, labels="permuted", access="gray", ids=IDS):
    found = rank(scores, member)
    kept = Scores(tuple(ids[: len(scores)]), np.asarray(scores, float), np.asarray(member, bool))
    return NullCheck(labels, access, "a", what, found.auc, len(found.members), len(found.nonmembers), kept)


def verdicts(checks):
    return [single.verdict for single in judge(checks).singles]


def test_a_null_check_that_is_repeated_beside_many_victims_counts_once():
    """A grid of more victims must not hide that the dataset gives its members away."""
    assert verdicts([made(0.63, victim=str(row)) for row in range(50)]) == [NOT_AT_CHANCE] * 50
    many = [made(0.63, what=0), *[made(0.5, what=row) for row in range(1, 800)]]
    assert verdicts(many)[0] == AT_CHANCE
    assert judge([made(0.63, victim=str(row)) for row in range(50)]).families["blind check"].checks == 1


def test_null_checks_are_corrected_among_their_own_kind():
    others = [made(0.5, access="gray", what=row) for row in range(300)]
    others += [made(0.5, labels="permuted", what=row) for row in range(300)]

    assert verdicts([made(0.63), *others]) == [NOT_AT_CHANCE, *[AT_CHANCE] * 600]
    assert verdicts([made(0.63, access="gray", what="more"), *others])[0] == AT_CHANCE


def permuted_cells(score, cells=200, side=200, seed=0):
    """Checks whose labels are dealt out anew in each; ``score`` makes scores of features, labels and who is known."""
    rng = np.random.default_rng(seed)
    features, found = rng.normal(size=(2 * side, 5)), []
    for number in range(cells):
        labels = rng.permutation(np.arange(2 * side) < side)
        known = rng.random(2 * side) < 0.5
        scores = score(features, labels, known)
        found.append(scored(scores[~known], labels[~known], number))
    return found


def linear(features, labels, rows):
    """Scores by least squares, fitted on some rows."""
    design = np.column_stack([np.ones(len(features)), features])
    return design @ np.linalg.lstsq(design[rows], labels[rows].astype(float), rcond=None)[0]


def sound(features, labels, known):
    return linear(features, labels, known)


def fitted_on_everything(features, labels, known):
    return linear(features, labels, np.ones_like(known))


def turned_around_by_labels(features, labels, known):
    scores = linear(features, labels, known)
    return scores if rank(scores[~known], labels[~known]).auc > 0.5 else -scores


def threshold_of_evaluated(features, labels, known):
    """The best single feature of those that are evaluated: chosen by evaluation labels, the sign is right."""
    distances = [rank(column[~known], labels[~known]).auc for column in features.T]
    return features[:, int(np.argmax(distances))]


@pytest.mark.parametrize("fault", [fitted_on_everything, turned_around_by_labels, threshold_of_evaluated])
def test_a_fault_that_every_permuted_check_shares_is_found_in_their_mean(fault):
    """No single check is far from one half, and the mean of all of them is fifteen deviations away or more."""
    judged = judge(permuted_cells(fault))
    family = judged.families["permuted labels"]

    assert family.verdict == NOT_AT_CHANCE
    assert family.p_value < 1e-12
    assert sum(single.verdict == NOT_AT_CHANCE for single in judged.singles) < 20


def test_a_sound_classifier_is_at_chance_and_the_mean_says_what_it_would_have_found():
    judged = judge(permuted_cells(sound))
    family = judged.families["permuted labels"]

    assert {single.verdict for single in judged.singles} == {AT_CHANCE}
    assert family.verdict == AT_CHANCE
    assert 0.004 < family.detectable < 0.02
    assert all(0.15 < single.detectable < 0.25 for single in judged.singles)


@pytest.mark.parametrize(("deviations", "verdict"), [(2.7, AT_CHANCE), (2.9, NOT_AT_CHANCE)])
def test_the_mean_of_a_kind_is_tested_at_half_of_the_family_error(deviations, verdict):
    """Half of 1 % lies beyond 2.81 deviations; 25 checks that know nothing of each other deviate a fifth as much."""
    one = math.sqrt((100 + 100 + 1) / (12 * 100 * 100))
    checks = [made(0.5 + deviations / 5 * one, access="gray", labels="permuted", what=number) for number in range(25)]
    family = judge(checks).families["permuted labels"]

    assert family.p_value == pytest.approx(math.erfc(deviations / math.sqrt(2)), rel=0.02)
    assert family.verdict == verdict


def correlated(rng, checks=20, side=60, leak=0.0):
    """Checks that see the same samples, and much the same of them."""
    shared, member = rng.normal(size=2 * side), rng.permutation(np.arange(2 * side) < side)
    scores = 2 * shared + rng.normal(size=(checks, 2 * side)) + leak * member
    return [scored(row, member, number, labels="true") for number, row in enumerate(scores)]


def test_sound_grids_raise_few_alarms_however_their_checks_are_correlated():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(200):
        judged = judge(correlated(rng), draws=399)
        alarms += NOT_AT_CHANCE in {
            *(single.verdict for single in judged.singles),
            *(family.verdict for family in judged.families.values()),
        }
    assert alarms <= 200 * FAMILY_ERROR + 3 * (200 * FAMILY_ERROR) ** 0.5


def test_independent_sound_grids_raise_few_alarms():
    alarms = 0
    for seed in range(60):
        judged = judge(permuted_cells(lambda features, _labels, _known: features[:, 0], cells=40, side=50, seed=seed))
        alarms += judged.families["permuted labels"].verdict == NOT_AT_CHANCE
        alarms += any(single.verdict == NOT_AT_CHANCE for single in judged.singles)
    assert alarms <= 3


def test_checks_that_say_the_same_cost_each_other_no_power():
    """Twenty copies of one check are corrected as one by their permutations; independent ones as twenty."""
    rng = np.random.default_rng(2)
    member = rng.permutation(np.arange(200) < 100)
    scores = rng.normal(size=200)
    copies = [scored(scores, member, number, labels="true") for number in range(20)]
    others = [scored(rng.normal(size=200), member, number, labels="true") for number in range(20)]

    assert judge(copies).singles[0].detectable < judge(others).singles[0].detectable
    single = judge(copies[:1]).singles[0]
    assert judge(copies).singles[0].detectable == pytest.approx(single.detectable)


def test_too_few_samples_tell_nothing_whatever_they_say():
    """Three a side, perfectly separated: one deal of labels in ten does as well."""
    perfect = scored([1, 2, 3, 4, 5, 6], [False] * 3 + [True] * 3, "few")
    judged = judge([perfect])

    assert judged.singles[0].verdict == TOO_FEW
    assert judged.singles[0].detectable is None
    assert judged.singles[0].p_value == pytest.approx(0.1)
    assert judged.families["permuted labels"].verdict == TOO_FEW


def test_scores_that_are_all_equal_tell_nothing():
    judged = judge([scored(np.zeros(200), np.arange(200) < 100, "flat", labels="true")])

    assert (judged.singles[0].verdict, judged.singles[0].p_value) == (TOO_FEW, 1)
    assert judged.families["untrained victim"].verdict == TOO_FEW


def test_a_check_among_blind_ones_that_finds_much_is_named_and_the_others_are_not():
    rng = np.random.default_rng(1)
    member = rng.permutation(np.arange(200) < 100)
    checks = [scored(rng.normal(size=200), member, number, "true", "none") for number in range(9)]
    checks.append(scored(rng.normal(size=200) + 0.8 * member, member, 9, "true", "none"))

    assert verdicts(checks) == [*[AT_CHANCE] * 9, NOT_AT_CHANCE]


def test_checks_on_other_splits_and_other_labels_are_judged_too():
    rng = np.random.default_rng(3)
    member = rng.permutation(np.arange(200) < 100)
    first = [scored(rng.normal(size=150), member[:150], number, "true", ids=IDS) for number in range(3)]
    second = [scored(rng.normal(size=150), member[50:], number + 3, "true", ids=IDS[50:]) for number in range(3)]
    apart = [scored(rng.normal(size=200), ~member, number + 6, "true") for number in range(3)]

    assert verdicts([*first, *second, *apart]) == [AT_CHANCE] * 9


def test_the_p_value_is_mann_and_whitneys():
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(0)
    for decimals in (0, 8):
        scores = rng.normal(size=180).round(decimals)
        member = np.arange(180) < 80
        check = scored(scores, member, "it")
        expected = mannwhitneyu(scores[member], scores[~member], use_continuity=False, method="asymptotic").pvalue
        assert judge([check]).singles[0].p_value == pytest.approx(expected)
    assert chance_p_value(1.0, 3, 3) == pytest.approx(0.1)
