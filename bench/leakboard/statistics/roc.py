"""The step ROC, and what is read off it at low false-positive rates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import Estimate
from leakboard.statistics.intervals import clopper_pearson, exceedance_bounds
from leakboard.statistics.ranking import rank

if TYPE_CHECKING:
    import numpy.typing as npt

    from leakboard.api import Array, Flag


def roc(scores: npt.ArrayLike, member: npt.ArrayLike, points: int = 60) -> tuple[Array, Array]:
    """The exact step ROC at about ``points`` false-positive rates, evenly spaced on a log scale.

    Returns:
        (fpr, tpr), both rising: the highest TPR whose FPR does not exceed fpr. The first fpr is 0, then come
        multiples of 1 / n_nonmember up to 1.

    Raises:
        LeakboardError: as `leakboard.statistics.ranking.rank`.
    """
    ranked = rank(scores, member)
    total = len(ranked.nonmembers)
    allowed = np.unique(np.rint(np.geomspace(1, total, max(2, points - 1))).astype(np.int64))
    allowed = np.insert(allowed, 0, 0)
    thresholds = np.append(ranked.nonmembers[::-1], -np.inf)[allowed]
    missed = np.searchsorted(ranked.members, thresholds, side="right")
    return allowed / total, (len(ranked.members) - missed) / len(ranked.members)


def tpr_at_fpr(
    scores: npt.ArrayLike,
    member: npt.ArrayLike,
    threshold: float | None = None,  # noqa: ARG001 - what every measure is given
    *,
    rate: float,
    level: float = 0.95,
) -> Estimate:
    """TPR at a false-positive rate f, read off the exact step ROC: the highest TPR with FPR <= f.

    Interval. Let Y be a non-member's score, S a member's, and t the lowest threshold with P(Y > t) <= f; the target
    is P(S > t). Write D1 >= D2 >= ... for the n observed non-member scores, D0 = inf and D(n+1) = -inf, and a for
    1 - level.

    1. The number of non-members with Y > t is Binomial(n, at most f), so at most ``highest`` except with probability
       a/4; then t >= D(highest + 1). The number with Y >= t is Binomial(n, at least f), so at least ``lowest``
       except with probability a/4; then t <= D(lowest).
    2. When both hold, P(S > D(lowest)) <= P(S > t) <= P(S > D(highest + 1)). Given the non-members, the members are
       independent trials at these two fixed thresholds, so the lower Clopper-Pearson limit at the first and the
       upper one at the second fail with probability at most a/4 each.

    The four errors sum to a: coverage is at least ``level`` for every distribution, ties included.

    It is flagged ``uncalibrated`` when there are too few non-members to trust the false-positive rate (fewer than ten
    expected above the threshold), and ``hidden`` when not even one is expected.

    Raises:
        LeakboardError: as `leakboard.statistics.ranking.rank`.
    """
    ranked = rank(scores, member)
    m, n = len(ranked.members), len(ranked.nonmembers)
    descending = np.concatenate([[np.inf], ranked.nonmembers[::-1], [-np.inf]])

    def above(threshold: float) -> int:
        return m - int(np.searchsorted(ranked.members, threshold, side="right"))

    half_budget = (1 + level) / 2
    lowest, highest = exceedance_bounds(n, rate, half_budget)
    allowed = min(n, math.floor(rate * n + 1e-9))
    low = clopper_pearson(above(descending[lowest]), m, half_budget).low
    high = clopper_pearson(above(descending[highest + 1]), m, half_budget).high
    flag: Flag = "hidden" if n * rate < 1 else "uncalibrated" if n * rate < 10 else ""
    method = "order statistics and Clopper-Pearson"
    return Estimate(above(descending[allowed + 1]) / m, low, high, method, flag)
