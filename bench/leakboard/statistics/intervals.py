"""Confidence intervals for proportions, quantiles and their combinations. Two-sided, and without resampling."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Counts = npt.NDArray[np.int64]


_PRECISION = 1e-8
"""Of a limit that is searched for."""


class Interval(NamedTuple):
    """A confidence interval, low <= high."""

    low: float
    high: float


def normal_quantile(level: float) -> float:
    """The z with P(-z < Z < z) = ``level`` for a standard normal Z.

    Raises:
        ValueError: when ``level`` is not strictly between 0 and 1.
    """
    from scipy.special import ndtri

    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, got {level}")
    return float(ndtri(0.5 + level / 2))


def clopper_pearson(successes: float, trials: int, level: float) -> Interval:
    """Exact interval of a proportion in [0, 1] (Clopper and Pearson 1934); ``successes`` may be a fraction."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if successes <= 0 else float(betaincinv(successes, trials - successes + 1, tail))
    high = 1.0 if successes >= trials else float(betaincinv(successes + 1, trials - successes, 1 - tail))
    return Interval(low, high)


def wilson(successes: int, trials: int, level: float) -> Interval:
    """Score interval of a proportion in [0, 1] (Wilson 1927)."""
    z2 = normal_quantile(level) ** 2
    rate = successes / trials
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (rate * (1 - rate) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    # At 0 and 1 the two terms cancel exactly on paper and only nearly in floats.
    return Interval(0.0 if successes == 0 else centre - half, 1.0 if successes == trials else centre + half)


def sum_interval(first: float, first_interval: Interval, second: float, second_interval: Interval) -> Interval:
    """Interval of the sum of two independent estimates from their own intervals.

    The method of variance estimates recovery: each distance from estimate to limit stands for z times the standard
    error on that side, and independent squares add (Newcombe 1998, method 10; Zou and Donner 2008, equation 4).
    """
    down = math.hypot(first - first_interval.low, second - second_interval.low)
    up = math.hypot(first_interval.high - first, second_interval.high - second)
    return Interval(first + second - down, first + second + up)


def logit_interval(rate: float, error: float, level: float) -> Interval:
    """Wald interval of a rate strictly between 0 and 1 with standard error ``error``, symmetric on the logit scale."""
    half = normal_quantile(level) * error / (rate * (1 - rate))
    centre = logit(rate)
    return Interval(expit(centre - half), expit(centre + half))


def newcombe(value: float, members: int, nonmembers: int, level: float) -> Interval:
    """Interval of an AUC strictly between 0 and 1 from its value and the counts alone; its variance is modelled.

    The limits solve (value - theta)^2 = z^2 V(theta), where V is the variance that Hanley and McNeil (1982) give for
    exponential scores, with (m + n) / 2 in the place of both counts in its numerator (Newcombe 2006, part 2, method 5).
    """
    from scipy.optimize import brentq

    z2, size = normal_quantile(level) ** 2, (members + nonmembers) / 2

    def beyond(theta: float) -> float:
        shape = 2 * size - 1 - 3 * (size - 1) / ((2 - theta) * (1 + theta))
        return (value - theta) ** 2 - z2 * theta * (1 - theta) * shape / (members * nonmembers)

    return Interval(brentq(beyond, 0, value, xtol=_PRECISION), brentq(beyond, value, 1, xtol=_PRECISION))


def hull(first: Interval, second: Interval) -> Interval:
    """The smallest interval that holds both."""
    return Interval(min(first.low, second.low), max(first.high, second.high))


def logit(rate: float) -> float:
    """Log odds of a rate strictly between 0 and 1."""
    return math.log(rate) - math.log1p(-rate)


def expit(value: float) -> float:
    """Inverse of `logit`, without overflow at either end."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    odds = math.exp(value)
    return odds / (1 + odds)


@lru_cache(maxsize=256)
def binomial(trials: int, rate: float) -> tuple[int, npt.NDArray[np.float64]]:
    """Counts that Binomial(``trials``, ``rate``) takes, but for 1e-6 a side: the first, and their probabilities."""
    import numpy as np
    from scipy.stats import binom

    first, last = (int(binom.ppf(quantile, trials, rate)) for quantile in (1e-6, 1 - 1e-6))
    return first, binom.pmf(np.arange(first, last + 1), trials, rate)


def mixed_clopper_pearson(
    fewest: Counts, most: Counts, weights: npt.NDArray[np.float64], trials: int, level: float
) -> Interval:
    """Interval of a proportion when it is known only with some probability which of several counts belongs to it.

    Clopper and Pearson's limits are quantiles of beta distributions; here they are quantiles of the mixture of these
    distributions.

    Args:
        fewest: successes at least, (K,) for K cases: the lower limit comes from them.
        most: successes at most, (K,): the upper limit comes from them.
        weights: probability of each case (K,); what is missing to one counts as cases of which nothing is known.
        trials: of which these are counts.
        level: of confidence.
    """
    open_ = (1 - level) / 2 - max(0.0, 1 - float(weights.sum()))
    some = fewest > 0
    low_tail = open_ - float(weights[~some].sum())
    low = 0.0 if low_tail <= 0 else _mixed_quantile(fewest[some], trials - fewest[some] + 1, weights[some], low_tail)
    # the upper limit is the lower one of the failures
    some, failures = most < trials, trials - most
    high_tail = open_ - float(weights[~some].sum())
    high = 0.0 if high_tail <= 0 else _mixed_quantile(failures[some], most[some] + 1, weights[some], high_tail)
    return Interval(low, 1 - high)


def _mixed_quantile(first: Counts, second: Counts, weights: npt.NDArray[np.float64], tail: float) -> float:
    """Where a mixture of beta distributions has this much below it, between the quantiles of its outermost parts."""
    from scipy.optimize import brentq
    from scipy.special import betainc, betaincinv

    def below(rate: float) -> float:
        return float(weights @ betainc(first, second, rate)) - tail

    ends = betaincinv(first[[0, -1]], second[[0, -1]], tail / float(weights.sum()))
    low, high = float(ends.min()), float(ends.max())
    if below(low) >= 0 or below(high) <= 0:
        return low if below(low) >= 0 else high  # the parts are alike to the last digit
    return float(brentq(below, low, high, xtol=_PRECISION))
