"""Which samples are used and which half calibrates: derived from sample ids and the seed, never from positions."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakboard.api import Mask
    from leakboard.kinds import Sides

BLOCK = 64
"""Samples that are mixed with each other."""
FOLDS = 5
"""Parts of the calibration samples, each of which is scored by what was fitted on the others."""


def _rank(ids: Sequence[str], rows: Iterable[int], purpose: str) -> list[int]:
    """Rows in an order that depends on their ids and the purpose only."""
    return sorted(rows, key=lambda row: hashlib.blake2b(f"{purpose}\x1f{ids[row]}".encode()).digest())


def _together(rows: Iterable[int], groups: npt.NDArray[np.intp] | None) -> list[list[int]]:
    """Rows in their order, those of one group together."""
    parts: dict[int, list[int]] = {}
    for row in rows:
        parts.setdefault(row if groups is None else int(groups[row]), []).append(row)
    return list(parts.values())


def choose(ids: Sequence[str], member: Mask, sides: Sides) -> list[int]:
    """Rows of as many members and non-members as are wanted, in an order that tells nothing of who is which.

    They come in blocks of `BLOCK`, each with the share of members that all of them have and in the order of a hash:
    more samples in the same proportion append whole blocks and leave those before as they were.
    """
    members = _rank(ids, np.flatnonzero(member).tolist(), "subset")
    others = _rank(ids, np.flatnonzero(~member).tolist(), "subset")
    members = members[: sides.members or None]
    others = others[: sides.nonmembers or None]
    total = len(members) + len(others)
    ends = [*range(0, total, BLOCK), total]
    # members in use up to the end of each block, to the nearest sample: halves go up, as they do for two equal sides
    shares = [(2 * end * len(members) + total) // (2 * total) if total else 0 for end in ends]
    rows = []
    for (start, stop), (first, last) in zip(pairwise(ends), pairwise(shares), strict=True):
        block = members[first:last] + others[start - first : stop - last]
        rows += _rank(ids, block, "order")
    return rows


def calibration(
    ids: Sequence[str], member: Mask, seed: int, share: float, groups: npt.NDArray[np.intp] | None = None
) -> Mask:
    """True for the samples that classifiers and thresholds may see: ``share`` of each side, as near as groups let it.

    However small or large the share, each side with two samples or more has one to calibrate on and one to evaluate.
    Samples of a side that share a number of ``groups`` (N,) go to one half, unless the side has nothing else.
    """
    mask = np.zeros(len(ids), bool)
    for side in (True, False):
        ranked = _rank(ids, np.flatnonzero(member == side).tolist(), f"calibration {seed}")
        together = _together(ranked, groups)
        parts = together if len(together) > 1 else [[row] for row in ranked]
        wanted = min(round(share * len(ranked)), len(ranked) - 1)
        taken: list[int] = []
        for part in parts[:-1]:
            if taken and abs(len(taken) + len(part) - wanted) >= abs(len(taken) - wanted):
                break
            taken += part
        mask[taken] = True
    return mask


def folds(
    ids: Sequence[str], member: Mask, seed: int, groups: npt.NDArray[np.intp] | None = None
) -> npt.NDArray[np.intp] | None:
    """The fold (N,) of each sample: `FOLDS`, or fewer where a side is that small; None where there are not even two.

    Each fold has as many samples of each side as the others, as near as groups of near-duplicates let it, for these
    stay together.
    """
    fold = np.zeros(len(ids), np.intp)
    sides = [np.flatnonzero(member == side) for side in (True, False)]
    parts = [len(rows) if groups is None else len(np.unique(groups[rows])) for rows in sides]
    count = min(FOLDS, *parts)
    if count < 2:
        return None
    for rows in sides:
        sizes = np.zeros(count, int)
        for part in _together(_rank(ids, rows.tolist(), f"fold {seed}"), groups):
            smallest = int(sizes.argmin())
            fold[part] = smallest
            sizes[smallest] += len(part)
    return fold


def permuted(ids: Sequence[str], member: Mask, purpose: str) -> Mask:
    """The member flags dealt out anew, as ids and ``purpose`` decide: the labels of a null check."""
    shuffled = np.empty_like(member)
    rows = range(len(ids))
    shuffled[_rank(ids, rows, f"taker {purpose}")] = member[_rank(ids, rows, f"giver {purpose}")]
    return shuffled


def told_groups(groups: npt.NDArray[np.intp], member: Mask) -> str:
    """In how many groups of near-duplicates the samples of each side are; nothing where all of them differ."""
    sides = (("members", member), ("non-members", ~member))
    counts = [(int(rows.sum()), len(np.unique(groups[rows])), name) for name, rows in sides]
    if all(samples == distinct for samples, distinct, _ in counts):
        return ""
    told = ", ".join(f"{samples} {name} in {distinct} groups" for samples, distinct, name in counts)
    return f"near-duplicates among what was evaluated: {told}; intervals count samples, and are short by as much"
