"""How many samples a claim takes, and what so many can show: exact formulas, before anything is asked of a victim.

All counts are of evaluated samples, those that no classifier was calibrated on.
"""

from __future__ import annotations

import math

from leakboard.statistics.intervals import clopper_pearson, normal_quantile
from leakboard.statistics.nulls import POWER
from leakboard.statistics.permutation import fewest_chances, null_deviation

LEVEL = 0.95
"""Of confidence, as of every interval that is reported."""


def auc_deviation(auc: float, members: int, nonmembers: int) -> float:
    """Standard deviation of an AUC in (0, 1) for exponential scores (Hanley and McNeil 1982, equations 1 and 2).

    At one half it is that of Mann and Whitney's U under chance, whatever the scores. It is the same for 1 - ``auc``
    with the sides exchanged.
    """
    two_members, two_nonmembers = _pairs(auc)
    variance = auc * (1 - auc) + (members - 1) * two_members + (nonmembers - 1) * two_nonmembers
    return math.sqrt(variance / (members * nonmembers))


def auc_half_width(auc: float, members: int, nonmembers: int, level: float = LEVEL) -> float:
    """To how much such an AUC is known, either way: z standard deviations."""
    return normal_quantile(level) * auc_deviation(auc, members, nonmembers)


def samples_for_half_width(width: float, auc: float = 0.5, level: float = LEVEL) -> int:
    """The fewest samples a side with which ``auc`` is known to +-``width``; one half takes the most."""
    scale = (normal_quantile(level) / width) ** 2
    shared = sum(_pairs(auc))
    # n a side: n^2 = scale * (auc * (1 - auc) + (n - 1) * shared)
    rest = auc * (1 - auc) - shared
    return max(1, math.ceil((scale * shared + math.sqrt((scale * shared) ** 2 + 4 * scale * rest)) / 2))


def smallest_auc(members: int, nonmembers: int, level: float = LEVEL, power: float = POWER) -> float | None:
    """The AUC that is told from chance with this probability, two-sided; None where none is.

    The deviation is that under chance, as for the null checks (Noether 1987): above one half it is smaller.
    """
    reach = _reach(level, power) * null_deviation(members, nonmembers)
    if reach >= 0.5 or fewest_chances(members, nonmembers) >= 1 - level:
        return None
    return 0.5 + reach


def samples_for_auc(auc: float, level: float = LEVEL, power: float = POWER) -> int:
    """The fewest samples a side with which this AUC, not one half, is told from chance."""
    # `smallest_auc` turned around
    scale = (_reach(level, power) / (auc - 0.5)) ** 2 / 12
    count = max(1, math.ceil(scale + math.sqrt(scale**2 + scale)))  # n^2 = scale * (2 n + 1)
    while fewest_chances(count, count) >= 1 - level:
        count += 1
    return count


def clean_nonmembers(rate: float, level: float = LEVEL) -> int:
    """The fewest non-members that show a false-positive rate below ``rate`` when none of them is a false positive.

    One-sided: the smallest n with (1 - rate)^n <= 1 - level.
    """
    return math.ceil(math.log(1 - level) / math.log1p(-rate))


def highest_clean_rate(nonmembers: int, level: float = LEVEL) -> float:
    """What the false-positive rate is below, one-sided, when none of so many non-members is a false positive."""
    return -math.expm1(math.log(1 - level) / nonmembers)


def cap_without_hit(members: int, level: float = LEVEL) -> float:
    """The upper limit of a TPR when none of the members is found: two-sided, Clopper and Pearson."""
    return clopper_pearson(0, members, level).high


def _pairs(auc: float) -> tuple[float, float]:
    """Covariances of two comparisons that share a non-member, and of two that share a member."""
    return auc / (2 - auc) - auc**2, 2 * auc**2 / (1 + auc) - auc**2


def _reach(level: float, power: float) -> float:
    return normal_quantile(level) + normal_quantile(2 * power - 1)
