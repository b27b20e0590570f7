"""From the scores of single samples to a verdict on a whole set: was it trained on?

After Dubinski and others 2025 (CDI, arXiv 2411.12858): the scores of a suspect set are compared with those of held-out
samples of the same distribution by a one-sided t-test of Welch. Many weak scores make one strong verdict.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from leakboard.api import Estimate
from leakboard.statistics.intervals import normal_quantile
from leakboard.statistics.ranking import checked

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from leakboard.api import Array

LEVEL = 0.01
"""A set is found where its p-value is below."""
POWER = 0.8
"""How often a set is found that is called large enough: over draws of as many suspect and held-out samples."""


class Gap(NamedTuple):
    """How far the mean score of one set is above that of another, as a share of half the range of both.

    Beside it Welch's standard error and degrees of freedom, and the sum of the variances of single scores.
    """

    value: float
    error: float
    freedom: float
    spread: float


def gap(suspect: Array, held_out: Array) -> Gap | None:
    """None where a side has fewer than two samples, or nothing differs at all."""
    m, n = len(suspect), len(held_out)
    if m < 2 or n < 2:
        return None
    # no scale or shift changes the test; this one keeps squares finite
    least, most = min(suspect.min(), held_out.min()), max(suspect.max(), held_out.max())
    scale = most / 2 - least / 2
    if scale == 0:
        return None
    first, second = (suspect / scale - least / scale), (held_out / scale - least / scale)
    spreads = float(first.var(ddof=1)), float(second.var(ddof=1))
    mine, theirs = spreads[0] / m, spreads[1] / n
    error = mine + theirs
    freedom = error**2 / (mine**2 / (m - 1) + theirs**2 / (n - 1)) if error > 0 else math.inf
    return Gap(float(first.mean() - second.mean()), math.sqrt(error), freedom, sum(spreads))


def p_value(found: Gap) -> float:
    """One-sided: how likely a gap so wide is where both sets have one mean."""
    from scipy.special import stdtr

    if found.error == 0:
        return 0.0 if found.value > 0 else 1.0
    return float(stdtr(min(found.freedom, 1e9), -found.value / found.error))


def set_p_value(
    scores: npt.ArrayLike,
    member: npt.ArrayLike,
    threshold: float | None = None,  # noqa: ARG001 - what every measure is given
) -> Estimate | None:
    """P-value that all evaluated members together were not trained on, against all evaluated non-members.

    It has no interval, and falls with the number of samples, which stands beside it. None where it cannot be told.

    Raises:
        LeakboardError: as `leakboard.statistics.ranking.checked`.
    """
    values, flags = checked(scores, member)
    found = gap(values[flags], values[~flags])
    return None if found is None else Estimate(p_value(found), None, None, "Welch, one-sided")


def set_size(
    scores: npt.ArrayLike,
    member: npt.ArrayLike,
    threshold: float | None = None,  # noqa: ARG001 - what every measure is given
    level: float = 0.95,
) -> Estimate | None:
    """The fewest samples of a set, and as many held out, with which its p-value is below `LEVEL`: in `POWER` of draws.

    The interval is that of the gap between the means; variances are taken as they are. None where that interval holds
    zero, so that not even the samples at hand tell the sides apart.

    Raises:
        LeakboardError: as `leakboard.statistics.ranking.checked`.
    """
    from scipy.special import stdtrit

    values, flags = checked(scores, member)
    found = gap(values[flags], values[~flags])
    if found is None:
        return None
    reach = float(stdtrit(min(found.freedom, 1e9), 0.5 + level / 2)) * found.error if found.error else 0.0
    if found.value <= reach:
        return None
    value, low, high = (_needed(found.value + way, found.spread) for way in (0.0, reach, -reach))
    return Estimate(value, low, high, f"Welch, one-sided: p < {LEVEL:g} in {POWER:.0%} of draws")


def resampled(suspect: Array, held_out: Array, sizes: Sequence[int], draws: int = 1000, seed: int = 0) -> list[float]:
    """How often the p-value is below `LEVEL`, for sets and held-out samples of each of some sizes, 2 or more.

    Both are drawn from the scores at hand, with replacement: a size may be larger than what there is.
    """
    from scipy.special import stdtrit

    rng = np.random.default_rng(seed)
    found = []
    for size in sizes:
        sides = [values[rng.integers(len(values), size=(draws, size))] for values in (suspect, held_out)]
        means = sides[0].mean(1) - sides[1].mean(1)
        mine, theirs = (side.var(axis=1, ddof=1) / size for side in sides)
        error = mine + theirs
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = (size - 1) * error**2 / (mine**2 + theirs**2)
            beyond = means / np.sqrt(error) > stdtrit(np.where(error > 0, freedom, 1), 1 - LEVEL)
        found.append(float(np.where(error > 0, beyond, means > 0).mean()))
    return found


def _needed(distance: float, spread: float) -> float:
    """Samples a side for a gap between means, ``spread`` being the sum of both variances.

    The count of a test with known variances, and what a t-test takes beyond it (Guenther 1981).
    """
    alpha, beta = normal_quantile(1 - 2 * LEVEL), normal_quantile(2 * POWER - 1)
    return float(max(2, math.ceil((alpha + beta) ** 2 * spread / distance**2 + alpha**2 / 4)))
