"""Which samples are used and which half calibrates: derived from sample ids and the seed, never from positions."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakboard.api import Mask
    from leakboard.kinds import Sides

BLOCK = 64
"""Samples that are mixed with each other."""


def _rank(ids: Sequence[str], rows: Iterable[int], purpose: str) -> list[int]:
    """Rows in an order that depends on their ids and the purpose only."""
    return sorted(rows, key=lambda row: hashlib.blake2b(f"{purpose}\x1f{ids[row]}".encode()).digest())


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


def calibration(ids: Sequence[str], member: Mask, seed: int, share: float) -> Mask:
    """True for the samples that classifiers and thresholds may see: ``share`` of each side, to the nearest sample.

    However small or large the share, each side with two samples or more has one to calibrate on and one to evaluate.
    """
    mask = np.zeros(len(ids), bool)
    for side in (True, False):
        ranked = _rank(ids, np.flatnonzero(member == side).tolist(), f"calibration {seed}")
        wanted = round(share * len(ranked))
        mask[ranked[: min(max(wanted, 1), len(ranked) - 1)]] = True
    return mask


def permuted(ids: Sequence[str], member: Mask, purpose: str) -> Mask:
    """The member flags dealt out anew, as ids and ``purpose`` decide: the labels of a null check."""
    shuffled = np.empty_like(member)
    rows = range(len(ids))
    shuffled[_rank(ids, rows, f"taker {purpose}")] = member[_rank(ids, rows, f"giver {purpose}")]
    return shuffled
