"""Three ways to fit a classifier: on the victim under attack, on shadow victims, and on nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.statistics.thresholds import choose_threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Array, Classifier, Mask, Scorer


class Labelled(NamedTuple):
    """Features (N, ...), and who is a member (N,)."""

    features: npt.NDArray[Any]
    member: Mask


class Fitted(NamedTuple):
    """What became of a classifier.

    Attributes:
        scores: of the evaluation samples (M,).
        threshold: chosen on labelled samples; None without labels.
        unseen: scores of the calibration samples, where the classifier did not see their labels.
    """

    scores: Array
    threshold: float | None
    unseen: Array | None = None


def by_own(
    classifier: Classifier,
    features: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    member: Mask,
    known: Mask,
    columns: Sequence[str],
) -> Fitted:
    """Fit a classifier and choose a threshold on samples of the victim under attack, and score the others.

    Args:
        classifier: what turns features into scores.
        features: those (N, ...) that are calibrated on, of which only the known rows are used, and those that are
            scored, of which only the other rows are used.
        member: labels (N,).
        known: the samples (N,) whose labels the attacker has.
        columns: names of the numbers, or of the pairs.

    Raises:
        TypeError: there is no scorer.
        ValueError: scores of a wrong shape, or such that are not finite.
    """
    before, after = features
    # a mask copies: the classifier may spoil what it is given, and the threshold needs it whole
    scorer = scorer_of(classifier, classifier.fit(before[known], member[known], columns))
    threshold = choose_threshold(scorer(before[known]), member[known])
    return Fitted(scorer(after[~known]), threshold)


def by_shadows(
    classifier: Classifier,
    shadows: Sequence[Labelled],
    features: npt.NDArray[Any],
    evaluated: Mask,
    columns: Sequence[str],
) -> Fitted:
    """Fit a classifier on all samples of shadow victims, and score the ``evaluated`` ones (N,) of another victim.

    The threshold is the best one for the shadow victims: each is scored as if it were under attack, by the very scorer
    that was fitted on it among others. So it is the threshold of a classifier that has seen what it judges, and what
    it costs the balanced accuracy grows with what the classifier remembers of single samples; AUC and TPR need none.

    Raises:
        TypeError, ValueError: as `by_own`.
    """
    together = np.stack([shadow.features for shadow in shadows])
    labels = np.stack([shadow.member for shadow in shadows])
    scorer = classifier.fit_shadows(together, labels, columns)
    by_sample = scorer is not None
    if scorer is None:
        rows = together.reshape(-1, *features.shape[1:])
        scorer = classifier.fit(rows, labels.reshape(-1), columns)
    del together
    checked = scorer_of(classifier, scorer)
    seen = np.concatenate([checked(shadow.features.copy()) for shadow in shadows])
    threshold = choose_threshold(seen, np.concatenate([shadow.member for shadow in shadows]))
    # a scorer that knows every sample by its place gets them all, whichever are evaluated
    if by_sample:
        scores = checked(features.copy())
        return Fitted(scores[evaluated], threshold, scores[~evaluated])
    return Fitted(checked(features[evaluated]), threshold, checked(features[~evaluated]))


def without_labels(
    classifier: Classifier, features: npt.NDArray[Any], evaluated: Mask, columns: Sequence[str]
) -> Fitted:
    """Score samples by a classifier that trains nothing: it is fitted on an empty table. There is no threshold.

    Raises:
        TypeError, ValueError: as `by_own`.
    """
    nothing = np.empty((0, *features.shape[1:]), features.dtype)
    scorer = scorer_of(classifier, classifier.fit(nothing, np.empty(0, np.bool_), columns))
    return Fitted(scorer(features[evaluated]), None, scorer(features[~evaluated]))


def scorer_of(classifier: Classifier, scorer: Scorer) -> Scorer:
    """A scorer that looks at the scores it gives.

    Raises:
        TypeError: there is no scorer.
        ValueError: raised by the scorer, for scores of a wrong shape or such that are not finite.
    """
    if not callable(scorer):
        raise TypeError(f"{classifier.name} returned {scorer!r:.80} from fit(), expected a scorer")

    def checked(features: npt.NDArray[Any]) -> Array:
        scores = np.asarray(scorer(features), np.float64)
        if scores.shape != (len(features),):
            raise ValueError(f"{classifier.name} returned scores of shape {scores.shape}, expected ({len(features)},)")
        if not np.isfinite(scores).all():
            bad = int((~np.isfinite(scores)).sum())
            raise ValueError(f"{classifier.name} returned {bad} of {len(scores)} scores that are not finite")
        return scores

    return checked
