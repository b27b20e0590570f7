"""Closed-form confidence intervals for proportions, quantiles and their combinations. Everything is two-sided."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple


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
def exceedance_bounds(trials: int, rate: float, level: float) -> tuple[int, int]:
    """Counts (lowest, highest) that Binomial(``trials``, ``rate``) leaves on either side with at most half the error.

    P(count < lowest) <= (1 - level) / 2 and P(count > highest) <= (1 - level) / 2; lowest is the largest and highest
    the smallest such count.
    """
    import numpy as np
    from scipy.special import bdtr

    tail = (1 - level) / 2
    below = bdtr(np.arange(trials + 1), trials, rate)
    lowest = int(np.searchsorted(below, tail, side="right"))
    highest = int(np.searchsorted(below, 1 - tail, side="left"))
    return min(lowest, trials), min(highest, trials)
