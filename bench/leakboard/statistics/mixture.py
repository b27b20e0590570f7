"""Which share of a set was trained on, from its scores and those of samples whose membership is known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import Estimate
from leakboard.errors import LeakboardError
from leakboard.statistics.intervals import normal_quantile

if TYPE_CHECKING:
    from leakboard.api import Array


def share_used(suspect: Array, members: Array, nonmembers: Array, level: float = 0.95) -> Estimate | None:
    """The share, in [0, 1], of a ``suspect`` set that was trained on.

    Its mean score lies between those of members and non-members, as far up as its share is large: (suspect -
    non-members) / (members - non-members). This assumes that what was trained on of the set scores like ``members``
    on average, and the rest like ``nonmembers``: one distribution, and samples that no classifier was fitted on.

    The limits are Fieller's (1954): a share is outside where the mean that it implies is refuted by the three means
    together, each with its own variance. None where members and non-members are not told apart, for then no share is.

    Raises:
        LeakboardError: a side has fewer than two samples.
    """
    sides = suspect, members, nonmembers
    if min(map(len, sides)) < 2:
        counts = ", ".join(str(len(side)) for side in sides)
        raise LeakboardError(
            f"a share needs two scores or more of each: {counts} of the set, of members, of non-members"
        )
    scale = max(float(np.abs(side).max()) for side in sides) or 1.0
    mean, inside, outside = (float((side / scale).mean()) for side in sides)
    of_mean, of_inside, of_outside = (float((side / scale).var(ddof=1)) / len(side) for side in sides)
    z2, gap = normal_quantile(level) ** 2, inside - outside
    # (mean - share * inside - (1 - share) * outside)^2 = z^2 * its variance, as a * share^2 + 2 b * share + c = 0
    a = gap**2 - z2 * (of_inside + of_outside)
    if a <= 0:
        return None
    b = z2 * of_outside - (mean - outside) * gap
    c = (mean - outside) ** 2 - z2 * (of_mean + of_outside)
    half = math.sqrt(max(0.0, b * b - a * c))
    value, low, high = (_within(each) for each in ((mean - outside) / gap, (-b - half) / a, (-b + half) / a))
    return Estimate(value, low, high, "ratio of mean differences, Fieller")


def _within(share: float) -> float:
    return min(1.0, max(0.0, share))
