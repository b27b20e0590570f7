"""Which samples are used and which half calibrates: derived from sample ids and the seed, never from positions."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Mask = npt.NDArray[np.bool_]
BLOCK = 64
"""Samples that are mixed with each other."""


def _rank(ids: Sequence[str], rows: Iterable[int], purpose: str) -> list[int]:
    """Rows in an order that depends on their ids and the purpose only."""
    return sorted(rows, key=lambda row: hashlib.blake2b(f"{purpose}\x1f{ids[row]}".encode()).digest())


def choose(ids: Sequence[str], member: Mask, per_side: int) -> list[int]:
    """Rows of ``per_side`` members and as many non-members, in an order that tells nothing of who is which.

    They come in blocks of `BLOCK`, half of them members, each in the order of a hash: more samples append whole blocks
    and leave those before as they were. With ``per_side`` 0 the smaller side decides.
    """
    members = _rank(ids, np.flatnonzero(member).tolist(), "subset")
    others = _rank(ids, np.flatnonzero(~member).tolist(), "subset")
    count = min(len(members), len(others), *([per_side] if per_side else []))
    half = BLOCK // 2
    parts = [slice(start, min(start + half, count)) for start in range(0, count, half)]
    return [row for part in parts for row in _rank(ids, members[part] + others[part], "order")]


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
