"""The step ROC, and what is read off it at low false-positive rates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import Estimate
from leakboard.statistics.intervals import binomial, mixed_clopper_pearson
from leakboard.statistics.ranking import rank

if TYPE_CHECKING:
    import numpy.typing as npt

    from leakboard.api import Array
    from leakboard.extensions import Flag


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


SHOWN, CALIBRATED = 1, 10
"""Non-members that are expected above the threshold, at least: for a TPR to be shown at all, and unmarked."""


def flag_of(nonmembers: int, rate: float) -> Flag:
    """How far a TPR at a false-positive rate can be trusted, by the number of evaluated non-members alone."""
    expected = nonmembers * rate
    return "hidden" if expected < SHOWN else "uncalibrated" if expected < CALIBRATED else ""


def nonmembers_for(rate: float, expected: int) -> int:
    """The fewest non-members of which so many are expected above a threshold with this false-positive rate."""
    return math.ceil(expected / rate - 1e-9)


def lowest_threshold(nonmembers: Array, rate: float) -> float:
    """The lowest threshold that at most a share ``rate`` of sorted scores of non-members exceed; -inf if all may."""
    allowed = math.floor(rate * len(nonmembers) + 1e-9)
    return float(nonmembers[-1 - allowed]) if allowed < len(nonmembers) else -math.inf


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
    is P(S > t). Write D1 >= D2 >= ... for the n observed non-member scores, D0 = inf and D(n+1) = -inf.

    1. Let K be Binomial(n, f). At most K non-members have Y > t and at least K have Y >= t, in distribution, ties or
       not; so D(K+1) <= t <= D(K).
    2. Given K, members are independent trials, and P(S > t) lies between P(S > D(K)) and P(S > D(K+1)): Clopper and
       Pearson give the first a lower limit and the second an upper one.
    3. The limits are quantiles of the mixture of these over K. Holding K fixed at its own limits instead, at a
       share of the error each, is valid by proof and a quarter wider; this one is valid by simulation
       (`benchmarks/coverage.py`).

    It is flagged by `flag_of`: ``uncalibrated`` when there are too few non-members to trust the false-positive rate
    (fewer than ten expected above the threshold), and ``hidden`` when not even one is expected.

    Raises:
        LeakboardError: as `leakboard.statistics.ranking.rank`.
    """
    ranked = rank(scores, member)
    m, n = len(ranked.members), len(ranked.nonmembers)
    descending = np.concatenate([[np.inf], ranked.nonmembers[::-1], [-np.inf]])

    def above(threshold: float) -> int:
        return m - int(np.searchsorted(ranked.members, threshold, side="right"))

    # the members above t, at least and at most, were just k non-members above it
    lowest, weights = binomial(n, rate)
    cuts = np.array([above(cut) for cut in descending[lowest : lowest + len(weights) + 1]])
    low, high = mixed_clopper_pearson(cuts[:-1], cuts[1:], weights, m, level)
    value = above(lowest_threshold(ranked.nonmembers, rate)) / m
    return Estimate(value, low, high, "Clopper-Pearson, mixed over the order statistics", flag_of(n, rate))
