"""By what the attack that is reported is chosen: calibration samples alone, each scored by what did not see it."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from leakboard.tasks.fit import Fitted, Labelled, by_own, without_labels
from leakboard.tasks.selection import calibration_auc
from leakboard.tasks.splits import FOLDS, calibration, folds

IDS = tuple(f"s{number}" for number in range(60))
MEMBER = np.arange(60) % 2 == 0
COLUMNS = ("a", "b")


class Parrot:
    """Remembers what it was fitted on: sure of it, and ignorant of anything else."""

    name = "parrot"

    def __init__(self):
        self.fits = []

    def fit(self, features, member, columns):
        self.fits.append(features[:, 0].tolist())
        known = dict(zip(features[:, 0].tolist(), member.tolist(), strict=True))
        return lambda rows: np.array([known.get(value, 0.5) for value in rows[:, 0].tolist()], float)


class Means:
    """The mean of the columns, for which nothing is fitted."""

    name = "means"

    def fit(self, features, member, columns):
        return lambda rows: rows.mean(axis=1)


def features(seed=0, effect=0.0):
    return np.random.default_rng(seed).normal(size=(60, 2)) + effect * MEMBER[:, None]


def test_a_classifier_that_remembers_gains_nothing_by_it():
    known = Labelled(features(), MEMBER)
    parrot = Parrot()

    assert calibration_auc(parrot, Fitted(np.zeros(1), None), known, COLUMNS, IDS, 0, None) == 0.5
    assert len(parrot.fits) == FOLDS


def test_no_sample_is_scored_by_what_saw_it_and_all_are_scored():
    values, parrot = features(), Parrot()
    calibration_auc(parrot, Fitted(np.zeros(1), None), Labelled(values, MEMBER), COLUMNS, IDS, 0, None)

    held = [set(values[:, 0]) - set(seen) for seen in parrot.fits]
    assert sorted(value for each in held for value in each) == sorted(values[:, 0])


def test_it_is_the_mean_of_the_areas_of_the_folds():
    values, fold = features(1, 0.5), folds(IDS, MEMBER, 3)
    found = calibration_auc(Means(), Fitted(np.zeros(1), None), Labelled(values, MEMBER), COLUMNS, IDS, 3, None)

    areas = [roc_auc_score(MEMBER[fold == each], values[fold == each].mean(axis=1)) for each in range(FOLDS)]
    assert found == pytest.approx(np.mean(areas), abs=1e-12)


def test_without_labels_the_very_scorer_is_judged():
    values, known = features(2, 0.5), calibration(IDS, MEMBER, 0, 0.5)
    fitted = without_labels(Means(), values, ~known, COLUMNS)
    found = calibration_auc(Means(), fitted, Labelled(values[known], MEMBER[known]), COLUMNS, [], 0, None)

    assert found == pytest.approx(roc_auc_score(MEMBER[known], values[known].mean(axis=1)), abs=1e-12)
    assert fitted.scores.tolist() == values[~known].mean(axis=1).tolist()


def test_too_few_samples_for_two_folds_are_no_choice():
    few = Labelled(features()[:3], MEMBER[:3])
    assert calibration_auc(Means(), Fitted(np.zeros(1), None), few, COLUMNS, IDS[:3], 0, None) is None
    together = np.zeros(60, int)
    assert (
        calibration_auc(Means(), Fitted(np.zeros(1), None), Labelled(features(), MEMBER), COLUMNS, IDS, 0, together)
        is None
    )


def test_near_duplicates_stay_in_one_fold_and_folds_stay_even():
    groups = np.arange(60) // 4 * 2 + ~MEMBER  # pairs of a side
    fold = folds(IDS, MEMBER, 0, groups)

    assert all(len(set(fold[groups == group])) == 1 for group in np.unique(groups))
    for side in (MEMBER, ~MEMBER):
        assert np.ptp(np.bincount(fold[side], minlength=FOLDS)) <= 2


def test_folds_follow_ids_and_not_positions():
    order = np.random.default_rng(0).permutation(60)
    again = folds([IDS[row] for row in order], MEMBER[order], 0)

    assert again.tolist() == folds(IDS, MEMBER, 0)[order].tolist()
    assert again.tolist() != folds([IDS[row] for row in order], MEMBER[order], 1).tolist()


def test_the_attack_that_is_chosen_so_does_not_flatter():
    """The best of 45 attacks that know nothing is well above one half; the one that calibration samples choose is not."""
    chosen, highest = [], []
    for draw in range(60):
        rows = np.random.default_rng(draw).normal(size=(45, 60, 2))
        known = calibration(IDS, MEMBER, draw, 0.5)
        ids = [sample for sample, its in zip(IDS, known, strict=True) if its]
        on_calibration, on_evaluation = [], []
        for values in rows:
            fitted = by_own(Means(), (values, values), MEMBER, known, COLUMNS)
            labelled = Labelled(values[known], MEMBER[known])
            on_calibration.append(calibration_auc(Means(), fitted, labelled, COLUMNS, ids, draw, None))
            on_evaluation.append(roc_auc_score(MEMBER[~known], fitted.scores))
        chosen.append(on_evaluation[int(np.argmax(on_calibration))])
        highest.append(max(on_evaluation))

    assert np.mean(highest) > 0.65
    assert abs(np.mean(chosen) - 0.5) < 3 * np.std(chosen, ddof=1) / np.sqrt(len(chosen))
