"""Which samples are used and which half calibrates: derived from sample ids and the seed, never from positions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def _rank(ids: Sequence[str], rows: npt.NDArray[np.int64], purpose: str) -> list[int]:
    """Rows in an order that depends on their ids and the purpose only."""
    return sorted(rows.tolist(), key=lambda row: hashlib.blake2b(f"{purpose}\x1f{ids[row]}".encode()).digest())


def choose(ids: Sequence[str], member: Mask, per_side: int) -> list[int]:
    """Rows of ``per_side`` members and as many non-members, alternating, so that more samples only append.

    With ``per_side`` 0 the smaller side decides.
    """
    members = _rank(ids, np.flatnonzero(member), "subset")
    others = _rank(ids, np.flatnonzero(~member), "subset")
    count = min(len(members), len(others), *([per_side] if per_side else []))
    return [row for pair in zip(members[:count], others[:count], strict=True) for row in pair]


def calibration(ids: Sequence[str], member: Mask, seed: int, share: float) -> Mask:
    """True for the samples that classifiers and thresholds may see; stratified by membership."""
    mask = np.zeros(len(ids), bool)
    for side in (True, False):
        ranked = _rank(ids, np.flatnonzero(member == side), f"calibration {seed}")
        mask[ranked[: round(share * len(ranked))]] = True
    return mask


def permuted(member: Mask, purpose: str) -> Mask:
    """The member flags in an order drawn from ``purpose``: the labels of a null check."""
    seed = int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "big")
    return np.random.default_rng(seed).permutation(member)
