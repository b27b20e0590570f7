"""Scores of both sides, sorted, and where each sample stands among the other side.

One rule throughout: a higher score means more likely a member, and labels never turn a score around.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.errors import LeakboardError

if TYPE_CHECKING:
    from leakboard.asking import Array, Mask


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
        LeakboardError: as `checked`.
    """
    values, flags = checked(scores, member)
    members, nonmembers = values[flags], values[~flags]
    low, high = np.sort(members), np.sort(nonmembers)
    return Ranked(low, high, _placement(members, high), 1 - _placement(nonmembers, low))


def checked(scores: npt.ArrayLike, member: npt.ArrayLike) -> tuple[Array, Mask]:
    """Scores and member flags (N,) as arrays.

    Raises:
        LeakboardError: when one side is empty, shapes differ, or a score is not finite.
    """
    values, flags = np.asarray(scores, dtype=np.float64), np.asarray(member)
    if values.ndim != 1 or values.shape != flags.shape:
        raise LeakboardError(f"scores {values.shape} and member flags {flags.shape} are not two equal rows")
    flags = flags.astype(np.bool_)
    if not np.isfinite(values).all():
        raise LeakboardError(f"{int((~np.isfinite(values)).sum())} of {len(values)} scores are not finite numbers")
    members = int(flags.sum())
    if not 0 < members < len(flags):
        raise LeakboardError(
            f"membership can be measured only with both sides: {members} members, {len(flags) - members} non-members",
            expected="at least one member and one non-member",
        )
    return values, flags


def centred_ranks(values: Array) -> npt.NDArray[np.float32]:
    """Ranks less their mean; ties share theirs. scipy's ``rankdata`` takes a second to import, in every warm run."""
    _, places, tied = np.unique(values, return_inverse=True, return_counts=True)
    ranks = tied.cumsum() - (tied - 1) / 2
    return np.asarray(ranks[places] - (len(places) + 1) / 2, np.float32)


def _placement(values: Array, others: Array) -> Array:
    """Share of the sorted ``others`` below each value, ties counting one half (midranks)."""
    below = np.searchsorted(others, values, side="left")
    return (below + np.searchsorted(others, values, side="right")) / (2 * len(others))
