"""A measure in one file: the largest gap between true-positive and false-positive rate, over all thresholds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

import leakboard
from leakboard.api import Estimate, Measure

if TYPE_CHECKING:
    from leakboard.api import Array, Mask

ERROR = 0.05


def largest_gap(scores: Array, member: Mask, threshold: float | None) -> Estimate:
    """Youden's J at the best threshold: the one-sided statistic of Kolmogorov and Smirnov, 0 for scores of no use.

    The interval is that of Dvoretzky, Kiefer and Wolfowitz with Massart's constant (1990): the rates of a side of n
    samples are off by more than sqrt(log(2 / error) / (2 n)) somewhere with probability ``error`` at most. Each side
    gets one half of the error, and the largest gap is off by no more than both sides together.
    """
    thresholds = np.unique(scores)
    inside, outside = np.sort(scores[member]), np.sort(scores[~member])
    missed = np.searchsorted(inside, thresholds, side="right") / len(inside)
    rejected = np.searchsorted(outside, thresholds, side="right") / len(outside)
    gap = float(np.max(rejected - missed))
    slack = sum(math.sqrt(math.log(4 / ERROR) / (2 * len(side))) for side in (inside, outside))
    return Estimate(gap, max(0.0, gap - slack), min(1.0, gap + slack), "Dvoretzky-Kiefer-Wolfowitz")


@leakboard.hookimpl
def leakboard_measures() -> list[Measure]:
    return [Measure("kolmogorov_smirnov", largest_gap, "largest TPR - FPR")]
