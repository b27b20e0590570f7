"""From evaluation scores to numbers with intervals.

One rule throughout: a higher score means more likely a member, and labels never turn a score around. An AUC below one
half stays below one half.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.errors import LeakboardError
from leakboard.statistics.intervals import (
    Interval,
    clopper_pearson,
    exceedance_bounds,
    logit,
    logit_interval,
    normal_quantile,
    sum_interval,
    wilson,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

Array = npt.NDArray[np.float64]
Flag = Literal["", "uncalibrated", "hidden"]
NullKind = Literal["blind check", "untrained victim", "permuted labels"]

CHECKED_AXES = ("dataset", "defense", "observer", "distance", "classifier", "attacker", "seed")
"""What tells one null check beside a victim from another of its kind."""

LOW_FPR = (("tpr_at_1pct_fpr", 0.01), ("tpr_at_0.1pct_fpr", 0.001))
FAMILY_ERROR = 0.01
"""Chance that a sound harness warns at all, over all distinct null checks of one kind in a grid (Bonferroni)."""


@dataclass(frozen=True)
class Measure:
    """One number computed from evaluation scores.

    Attributes:
        name: ``auc``, ``tpr_at_1pct_fpr``, ``tpr_at_0.1pct_fpr`` or ``balanced_accuracy``.
        value: the estimate, in [0, 1] (a difference: in [-1, 1]).
        low: lower limit of the confidence interval over samples.
        high: upper limit.
        n_member: members evaluated.
        n_nonmember: non-members evaluated.
        method: how the interval was made.
        flag: ``uncalibrated`` when there are too few non-members to trust the false-positive rate (fewer than ten
            expected above the threshold), ``hidden`` when not even one is expected; else empty.
    """

    name: str
    value: float
    low: float
    high: float
    n_member: int
    n_nonmember: int
    method: str
    flag: Flag = ""


@dataclass(frozen=True)
class Difference(Measure):
    """A difference of two AUCs measured on the same samples, with the two-sided p-value of "no difference"."""

    p_value: float = 1.0


class Spread(NamedTuple):
    """Spread over seeds, which is not an interval over samples. ``sd`` is NaN for a single seed."""

    mean: float
    sd: float
    n: int


class _Ranked(NamedTuple):
    """Sorted scores of both sides, and the placements of each sample among the other side, in input order."""

    members: Array
    nonmembers: Array
    member_placement: Array
    nonmember_placement: Array

    @property
    def auc(self) -> float:
        return float(self.member_placement.mean())


def evaluate(
    scores: npt.ArrayLike, member: npt.ArrayLike, *, threshold: float | None, level: float = 0.95
) -> tuple[Measure, ...]:
    """All measures of one cell.

    Args:
        scores: (N,) finite, higher = more likely a member.
        member: bool (N,).
        threshold: from `choose_threshold` on calibration samples; without one there is no balanced accuracy.
        level: confidence level of the intervals.

    Raises:
        LeakboardError: when one side is empty, shapes differ, or a score is not finite.
    """
    ranked = _rank(scores, member)
    measures = [_auc(ranked, level), *(_tpr_at_fpr(ranked, name, rate, level) for name, rate in LOW_FPR)]
    if threshold is not None:
        measures.append(_balanced_accuracy(ranked, threshold, level))
    return tuple(measures)


def choose_threshold(scores: npt.ArrayLike, member: npt.ArrayLike) -> float:
    """The threshold t for which "score > t means member" has the best balanced accuracy on these samples.

    Candidates are the midpoints between neighbouring distinct scores, and the largest score (nobody is called a
    member) for scores that do worse than chance everywhere. The lowest of several equally good ones is taken.

    Raises:
        LeakboardError: as `evaluate`.
    """
    ranked = _rank(scores, member)
    levels = np.unique(np.concatenate([ranked.members, ranked.nonmembers]))
    middle = levels[:-1] + (levels[1:] - levels[:-1]) / 2
    # Between two neighbouring floats the midpoint rounds to one of them; it must stay below the upper one.
    middle = np.where(middle < levels[1:], middle, levels[:-1])
    candidates = np.append(middle, levels[-1])
    tpr = 1 - np.searchsorted(ranked.members, candidates, side="right") / len(ranked.members)
    tnr = np.searchsorted(ranked.nonmembers, candidates, side="right") / len(ranked.nonmembers)
    return float(candidates[int(np.argmax(tpr + tnr))])


def roc(scores: npt.ArrayLike, member: npt.ArrayLike, points: int = 60) -> tuple[Array, Array]:
    """The exact step ROC at about ``points`` false-positive rates, evenly spaced on a log scale.

    Returns:
        (fpr, tpr), both rising: the highest TPR whose FPR does not exceed fpr. The first fpr is 0, then come
        multiples of 1 / n_nonmember up to 1.

    Raises:
        LeakboardError: as `evaluate`.
    """
    ranked = _rank(scores, member)
    total = len(ranked.nonmembers)
    allowed = np.unique(np.rint(np.geomspace(1, total, max(2, points - 1))).astype(np.int64))
    allowed = np.insert(allowed, 0, 0)
    thresholds = np.append(ranked.nonmembers[::-1], -np.inf)[allowed]
    missed = np.searchsorted(ranked.members, thresholds, side="right")
    return allowed / total, (len(ranked.members) - missed) / len(ranked.members)


def paired_auc_difference(a: npt.ArrayLike, b: npt.ArrayLike, member: npt.ArrayLike, level: float = 0.95) -> Difference:
    """AUC of scores ``a`` minus AUC of scores ``b`` on the same samples, in the same order.

    DeLong's covariance of correlated AUCs (DeLong, DeLong and Clarke-Pearson 1988, section 3). When the difference
    has no variance, it is exactly zero (equal rankings) or made of two degenerate curves; then the limits come from
    the two single intervals.

    Raises:
        LeakboardError: as `evaluate`.
    """
    from scipy.special import ndtr

    first, second = _rank(a, member), _rank(b, member)
    value = first.auc - second.auc
    error = math.sqrt(
        _variance_of_mean(first.member_placement - second.member_placement)
        + _variance_of_mean(first.nonmember_placement - second.nonmember_placement)
    )
    z = normal_quantile(level)
    method = "paired DeLong"
    if error > _ROUNDING:
        interval = Interval(value - z * error, value + z * error)
    elif abs(value) <= _ROUNDING:
        interval, error = Interval(0.0, 0.0), 0.0
    else:
        mine, theirs = _auc(first, level), _auc(second, level)
        mirrored = Interval(-theirs.high, -theirs.low)
        interval = sum_interval(mine.value, Interval(mine.low, mine.high), -theirs.value, mirrored)
        error = max(value - interval.low, interval.high - value) / z
        method = "difference of two exact intervals"
    p_value = 1.0 if error <= _ROUNDING else float(2 * ndtr(-abs(value) / error))
    low, high = max(-1.0, interval.low), min(1.0, interval.high)
    sizes = len(first.members), len(first.nonmembers)
    return Difference("auc_difference", value, low, high, *sizes, method, "", p_value)


def chance_p_value(auc: float, low: float, high: float, level: float = 0.95) -> float:
    """Two-sided p-value of "this AUC is one half", recovered from the limits that `evaluate` gave it.

    It lets a reader correct for the number of checks without having the scores.
    """
    from scipy.special import ndtr

    if auc in (0, 1):
        # The open limit is (error / 2) ** (1 / pairs): it tells the pairs, each won by chance with one half.
        open_limit = low if auc == 1 else 1 - high
        pairs = math.log((1 - level) / 2) / math.log(open_limit) if 0 < open_limit < 1 else 0.0
        return min(1.0, 2.0 * math.pow(0.5, pairs))
    centre = logit(auc)
    half = centre - logit(low) if auc > 0.5 else logit(high) - centre
    return float(2 * ndtr(-abs(centre) * normal_quantile(level) / half))


def null_kind(labels: str, access: str) -> NullKind:
    """What makes a cell with these labels, whose observer has this access, a null check."""
    if labels == "permuted":
        return "permuted labels"
    return "blind check" if access == "none" else "untrained victim"


class NullCheck(NamedTuple):
    """One cell in which nothing can be learned.

    Attributes:
        labels: ``true`` or ``permuted``.
        access: of its observer; ``none`` asks the victim nothing.
        victim: beside which it stands.
        what: all else that tells it from others.
        p_value: of its AUC being one half.
    """

    labels: str
    access: str
    victim: str
    what: Hashable
    p_value: float

    @property
    def family(self) -> NullKind:
        """Permuted labels, blind checks and untrained victims: each fails for a reason of its own."""
        return null_kind(self.labels, self.access)

    @property
    def identity(self) -> Hashable:
        """What it checks: whoever asks no victim says the same beside each."""
        return self.family, self.what, "" if self.access == "none" else self.victim


def beyond_chance(checks: Sequence[NullCheck]) -> list[bool]:
    """Which null checks chance does not explain, at `FAMILY_ERROR` within each family (Bonferroni).

    Equal checks count once: a grid that repeats one, or adds others of another kind, must not hide what it found.
    """
    sizes = Counter(check.family for check in {check.identity: check for check in checks}.values())
    return [check.p_value * sizes[check.family] < FAMILY_ERROR for check in checks]


def seed_spread(values: Iterable[float]) -> Spread:
    """Mean, standard deviation (n - 1) and number of one measure over seeds.

    Raises:
        LeakboardError: without any value.
    """
    numbers = np.asarray(list(values), dtype=np.float64)
    if not len(numbers):
        raise LeakboardError("a spread over seeds needs at least one value")
    return Spread(float(numbers.mean()), float(numbers.std(ddof=1)) if len(numbers) > 1 else math.nan, len(numbers))


_ROUNDING = 1e-12


def _rank(scores: npt.ArrayLike, member: npt.ArrayLike) -> _Ranked:
    values, flags = np.asarray(scores, dtype=np.float64), np.asarray(member)
    if values.ndim != 1 or values.shape != flags.shape:
        raise LeakboardError(f"scores {values.shape} and member flags {flags.shape} are not two equal rows")
    flags = flags.astype(np.bool_)
    if not np.isfinite(values).all():
        raise LeakboardError(f"{int((~np.isfinite(values)).sum())} of {len(values)} scores are not finite numbers")
    members, nonmembers = values[flags], values[~flags]
    if not len(members) or not len(nonmembers):
        raise LeakboardError(
            f"membership can be measured only with both sides: {len(members)} members, {len(nonmembers)} non-members",
            expected="at least one member and one non-member",
        )
    low, high = np.sort(members), np.sort(nonmembers)
    return _Ranked(low, high, _placement(members, high), 1 - _placement(nonmembers, low))


def _placement(values: Array, others: Array) -> Array:
    """Share of the sorted ``others`` below each value, ties counting one half (midranks)."""
    below = np.searchsorted(others, values, side="left")
    return (below + np.searchsorted(others, values, side="right")) / (2 * len(others))


def _variance_of_mean(values: Array) -> float:
    """NaN for a single value: nothing is known of its variance."""
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else math.nan


def _auc(ranked: _Ranked, level: float) -> Measure:
    """AUC with DeLong's variance from placements (Sun and Xu 2014), symmetric on the logit scale.

    Where that variance is zero or unknown (perfect separation, constant scores, a side of one sample) the limits
    are those of Clopper and Pearson over k = min(n_member, n_nonmember) disjoint member/non-member pairs, AUC * k of
    which are won. For perfect separation this is exact: all k independent pairs are won with probability AUC ** k.
    """
    auc = ranked.auc
    sizes = len(ranked.members), len(ranked.nonmembers)
    error = math.sqrt(_variance_of_mean(ranked.member_placement) + _variance_of_mean(ranked.nonmember_placement))
    if error > _ROUNDING and 0 < auc < 1:
        return Measure("auc", auc, *logit_interval(auc, error, level), *sizes, "DeLong, logit")
    pairs = min(sizes)
    return Measure("auc", auc, *clopper_pearson(auc * pairs, pairs, level), *sizes, "exact over disjoint pairs")


def _tpr_at_fpr(ranked: _Ranked, name: str, rate: float, level: float) -> Measure:
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
    """
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
    return Measure(name, above(descending[allowed + 1]) / m, low, high, m, n, method, flag)


def _balanced_accuracy(ranked: _Ranked, threshold: float, level: float) -> Measure:
    """Mean of TPR and TNR at a fixed threshold; Wilson limits of both joined by `intervals.sum_interval`."""
    m, n = len(ranked.members), len(ranked.nonmembers)
    hits = m - int(np.searchsorted(ranked.members, threshold, side="right"))
    rejections = int(np.searchsorted(ranked.nonmembers, threshold, side="right"))
    total = sum_interval(hits / m, wilson(hits, m, level), rejections / n, wilson(rejections, n, level))
    value = (hits / m + rejections / n) / 2
    method = "Wilson, joined by Newcombe's method"
    return Measure("balanced_accuracy", value, total.low / 2, total.high / 2, m, n, method)
