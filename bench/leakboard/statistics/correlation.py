"""Whether two numbers of the same samples go together: the rank correlation, with its interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import Estimate
from leakboard.statistics.exposure import agreement
from leakboard.statistics.intervals import normal_quantile

if TYPE_CHECKING:
    from leakboard.api import Array

FEWEST = 10
"""Samples of which a correlation is told."""


def rank_correlation(first: Array, second: Array, level: float = 0.95) -> Estimate | None:
    """Spearman's rank correlation of two rows (N,) in [-1, 1]; None for fewer than ten, or equal ones.

    The interval is Fisher's, with the variance of Bonett and Wright 2000: (1 + r^2 / 2) / (N - 3) on the scale of
    artanh r. A perfect correlation counts there as the next one that N ranks can have, for its own variance is zero.
    """
    count = len(first)
    value = float(agreement(np.stack([first, second]))[0, 1]) if count >= FEWEST else math.nan
    if math.isnan(value):
        return None
    most = 1 - 12 / (count * (count**2 - 1))
    centre = math.atanh(min(max(value, -most), most))
    half = normal_quantile(level) * math.sqrt((1 + value**2 / 2) / (count - 3))
    low, high = min(value, math.tanh(centre - half)), max(value, math.tanh(centre + half))
    return Estimate(value, low, high, "Spearman, Bonett and Wright")
