"""Attacks compared over several victims, seeds and runs: mean ranks, and how far apart two have to be (Demsar 2006)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from leakboard.errors import LeakboardError
from leakboard.statistics.ranking import centred_ranks

if TYPE_CHECKING:
    from leakboard.api import Array

LEVEL = 0.05


class MeanRanks(NamedTuple):
    """Mean ranks of attacks over blocks.

    Attributes:
        ranks: of each attack, 1 for the best (K,).
        blocks: how many victims, seeds and runs there are.
        p_value: that all attacks are equally good (Friedman 1937).
        critical: two attacks differ whose mean ranks are at least so far apart (Nemenyi 1963).
    """

    ranks: Array
    blocks: int
    p_value: float
    critical: float

    def cliques(self) -> list[tuple[int, ...]]:
        """The largest sets of two attacks or more of which no two differ, best first."""
        order = np.argsort(self.ranks, kind="stable")
        found: list[tuple[int, ...]] = []
        end = 0
        for start, attack in enumerate(order):
            within = [int(each) for each in order[start:] if self.ranks[each] - self.ranks[attack] < self.critical]
            if len(within) > 1 and start + len(within) > end:
                end = start + len(within)
                found.append(tuple(within))
        return found


def mean_ranks(values: Array, level: float = LEVEL) -> MeanRanks:
    """Rank attacks within each block, and average.

    The tests take blocks for independent, and look at ranks alone: how much better an attack is counts for nothing.

    Args:
        values: one row a block, one column an attack, higher is better (N, K). Equal ones share a rank.
        level: of the critical difference.

    Raises:
        LeakboardError: fewer than two blocks or attacks.
    """
    from scipy.special import chdtrc
    from scipy.stats import studentized_range

    blocks, attacks = values.shape
    if min(blocks, attacks) < 2:
        raise LeakboardError(f"mean ranks need two blocks and two attacks or more, got {blocks} and {attacks}")
    ranks = np.stack([centred_ranks(-row) for row in values])
    spread = float((ranks**2).sum())
    statistic = (attacks - 1) * float((ranks.sum(0) ** 2).sum()) / spread if spread else 0.0
    range_ = float(studentized_range.ppf(1 - level, attacks, np.inf))
    critical = range_ * math.sqrt(attacks * (attacks + 1) / (12 * blocks))
    return MeanRanks(ranks.mean(0) + (attacks + 1) / 2, blocks, float(chdtrc(attacks - 1, statistic)), critical)
