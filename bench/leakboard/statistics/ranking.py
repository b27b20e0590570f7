"""Scores of both sides, sorted, and where each sample stands among the other side.

One rule throughout: a higher score means more likely a member, and labels never turn a score around.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.errors import LeakboardError

if TYPE_CHECKING:
    from leakboard.asking import Array


class Ranked(NamedTuple):
    """Sorted scores of both sides, and the placements of each sample among the other side, in input order."""

    members: Array
    nonmembers: Array
    member_placement: Array
    nonmember_placement: Array

    @property
    def auc(self) -> float:
        """Share of the pairs of a member and a non-member in which the member scores higher; ties count one half."""
        return float(self.member_placement.mean())


def rank(scores: npt.ArrayLike, member: npt.ArrayLike) -> Ranked:
    """Sort scores (N,) by side.

    Raises:
        LeakboardError: when one side is empty, shapes differ, or a score is not finite.
    """
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
    return Ranked(low, high, _placement(members, high), 1 - _placement(nonmembers, low))


def _placement(values: Array, others: Array) -> Array:
    """Share of the sorted ``others`` below each value, ties counting one half (midranks)."""
    below = np.searchsorted(others, values, side="left")
    return (below + np.searchsorted(others, values, side="right")) / (2 * len(others))
