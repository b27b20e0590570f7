"""How well an attack does on calibration samples: by that the one to report is chosen, and not by evaluation labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakboard.statistics.ranking import rank
from leakboard.tasks.fit import Fitted, Labelled, by_shadows, scorer_of
from leakboard.tasks.splits import folds

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from leakboard.api import Classifier


def calibration_auc(
    classifier: Classifier,
    fitted: Fitted,
    labelled: Labelled,
    columns: Sequence[str],
    ids: Sequence[str],
    seed: int,
    groups: npt.NDArray[np.intp] | None,
) -> float | None:
    """AUC of calibration samples whose labels the classifier had not seen.

    Where it was fitted on them it is fitted again, once for each fold on the others, and this is the mean over folds:
    AUCs are averaged and scores are not pooled, for those of two classifiers are on two scales.

    Args:
        classifier: what turns features into scores.
        fitted: what became of it.
        labelled: the calibration samples, as an attacker who is fitted on them sees them.
        columns: names of the numbers, or of the pairs.
        ids: of the calibration samples.
        seed: of the cell.
        groups: numbers (N,) of their groups of near-duplicates; None where all samples differ.

    Returns:
        None where a side has too few samples, or groups of near-duplicates, for two folds.

    Raises:
        TypeError, ValueError: as `leakboard.tasks.fit.by_own`.
    """
    features, member = labelled
    if fitted.unseen is not None:
        return rank(fitted.unseen, member).auc
    fold = folds(ids, member, seed, groups)
    if fold is None:
        return None
    found = []
    for number in range(fold.max() + 1):
        held = fold == number
        scorer = scorer_of(classifier, classifier.fit(features[~held], member[~held], columns))
        found.append(rank(scorer(features[held]), member[held]).auc)
    return float(np.mean(found))


def shadow_auc(classifier: Classifier, shadows: Sequence[Labelled], columns: Sequence[str]) -> float:
    """Mean AUC of shadow victims, each attacked by what is fitted on the others.

    By it an attacker who has no labels of the victim under attack chooses between alternatives.

    Args:
        classifier: what turns features into scores.
        shadows: what each of two shadow victims at least said, and who was in its training set.
        columns: names of the numbers, or of the pairs.

    Raises:
        TypeError, ValueError: as `leakboard.tasks.fit.by_own`.
    """
    found = []
    for number, (features, member) in enumerate(shadows):
        others = [*shadows[:number], *shadows[number + 1 :]]
        everyone = np.ones(len(member), np.bool_)
        fitted = by_shadows(classifier, others, features, everyone, columns)
        found.append(rank(fitted.scores, member).auc)
    return float(np.mean(found))
