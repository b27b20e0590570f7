"""The highest ROC that differential privacy allows, and whether a measured one lies above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from leakboard.statistics.ranking import rank

if TYPE_CHECKING:
    import numpy.typing as npt

    from leakboard.api import Array


class Above(NamedTuple):
    """Where a measured ROC lies above what is allowed.

    Attributes:
        fpr: share of non-members above the threshold.
        tpr: share of members above it.
        fpr_high: upper limit of the false-positive rate.
        tpr_low: lower limit of the true-positive rate.
        allowed: the ceiling at ``fpr_high``, below ``tpr_low``.
    """

    fpr: float
    tpr: float
    fpr_high: float
    tpr_low: float
    allowed: float


def ceiling(fpr: npt.ArrayLike, epsilon: float, delta: float) -> Array:
    """The highest true-positive rate at each false-positive rate of any attack on (epsilon, delta)-private training.

    The rates are those of one sample over trainings with and without it. TPR <= exp(epsilon) FPR + delta, and the
    same of being silent about it: 1 - TPR >= exp(-epsilon) (1 - FPR - delta) (Kairouz, Oh, Viswanath 2015, arXiv
    1311.0776, theorem 2.1).

    Args:
        fpr: any shape, in [0, 1].
        epsilon: 0 or more.
        delta: in [0, 1).
    """
    rate = np.asarray(fpr, float)
    with np.errstate(over="ignore"):
        told = np.exp(min(epsilon, 700.0)) * rate + delta
    silent = 1 - np.exp(-epsilon) * (1 - rate - delta)
    highest: Array = np.minimum(1.0, np.minimum(told, silent))
    return highest


def above(
    scores: npt.ArrayLike, member: npt.ArrayLike, epsilon: float, delta: float, level: float = 0.95
) -> Above | None:
    """Where the ROC of some scores lies above `ceiling` for certain, at ``level``; None where it does not.

    Tried are thresholds at the scores of non-members, the k-th highest and the k-th lowest for k = 1, 2, 3, 5, 9, ...
    At each the upper limit of the false-positive rate (that of an order statistic: a beta quantile) is held against
    the lower limit of the true-positive rate (Clopper and Pearson), the error shared among all limits.

    Samples of one training count as independent of each other, as in all intervals here. Their half has a fixed size,
    so whoever is in has pushed another one out: the ceiling is that of neighbours which differ in one sample.

    Raises:
        LeakboardError: as `leakboard.statistics.ranking.rank`.
    """
    from scipy.special import betaincinv

    ranked = rank(scores, member)
    m, n = len(ranked.members), len(ranked.nonmembers)
    powers = 2 ** np.arange(max(1, n.bit_length()))
    places = np.unique(np.concatenate([[0, n - 1], powers, n - 1 - powers]))
    places = places[(places >= 0) & (places < n)]
    thresholds = ranked.nonmembers[::-1][places]
    caught = m - np.searchsorted(ranked.members, thresholds, side="right")
    wrongly = n - np.searchsorted(ranked.nonmembers, thresholds, side="right")
    error = (1 - level) / (2 * len(places))
    fpr_high = betaincinv(places + 1, n - places, 1 - error)
    tpr_low = np.where(caught > 0, betaincinv(np.maximum(caught, 1), m - caught + 1, error), 0.0)
    allowed = ceiling(fpr_high, epsilon, delta)
    worst = int(np.argmax(tpr_low - allowed))
    if tpr_low[worst] <= allowed[worst]:
        return None
    numbers = wrongly[worst] / n, caught[worst] / m, fpr_high[worst], tpr_low[worst], allowed[worst]
    return Above(*map(float, numbers))
