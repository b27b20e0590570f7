"""Which attacks are tied: compared on the same samples, with the several tests accounted for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leakboard.statistics.auc import paired_auc_difference
from leakboard.statistics.multiple import holm
from leakboard.statistics.ranking import rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Array, Mask
    from leakboard.statistics.auc import Difference

LEVEL = 0.05
"""Attacks differ where what is left of a p-value is below."""


class Ties(NamedTuple):
    """Who is tied with whom.

    Attributes:
        differences: of each attack to the first; None for the first itself.
        p_values: of these, by Holm; 1 for the first.
        groups: for each group the numbers of its attacks, its leader first. An attack may be in several groups: a tie
            is no equality, and two that are tied with a third need not be tied with each other.
    """

    differences: tuple[Difference | None, ...]
    p_values: tuple[float, ...]
    groups: tuple[tuple[int, ...], ...]

    def of(self, attack: int) -> tuple[int, ...]:
        """The numbers of the groups that an attack is in."""
        return tuple(number for number, group in enumerate(self.groups) if attack in group)


def ties(scores: Sequence[Array], member: Mask, level: float = LEVEL) -> Ties:
    """Compare attacks by AUC, paired on the same samples (DeLong).

    The first leads the first group, and everyone is in it who is not told from it at ``level`` over all comparisons
    with it (Holm). Of those who are in no group yet the one with the highest AUC leads the next, and so on.

    Args:
        scores: one row (N,) an attack. The first is the one that was chosen before these samples were looked at: where
            it is the best of these very samples, it flatters itself and seems to differ from too many.
        member: who is a member (N,).
        level: of each group.

    Raises:
        LeakboardError: as `leakboard.statistics.auc.auc`.
    """
    aucs = [rank(each, member).auc for each in scores]
    order = sorted(range(1, len(scores)), key=lambda number: -aucs[number])
    groups: list[tuple[int, ...]] = []
    first: tuple[list[int], list[Difference], list[float]] = ([], [], [])
    leaders: list[int] = []
    waiting = [0, *order] if scores else []
    while waiting:
        leader = waiting[0]
        others = [number for number in (0, *order) if number != leader and number not in leaders]
        differences = [paired_auc_difference(scores[number], scores[leader], member) for number in others]
        left = holm([each.p_value for each in differences])
        tied = [number for number, p_value in zip(others, left, strict=True) if p_value >= level]
        if not leaders:
            first = others, differences, left
        leaders.append(leader)
        groups.append((leader, *tied))
        waiting = [number for number in waiting if number != leader and number not in tied]
    told = dict(zip(first[0], zip(first[1], first[2], strict=True), strict=True))
    pairs = [told.get(number, (None, 1.0)) for number in range(len(scores))]
    return Ties(tuple(each for each, _ in pairs), tuple(p_value for _, p_value in pairs), tuple(groups))
