"""Which images of a training set count as members when nobody says so: half of them, by a seed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Mask = npt.NDArray[np.bool_]


def ranked(ids: Sequence[str], rows: Sequence[int], purpose: str) -> list[int]:
    """Rows in an order that follows from their ids and the purpose alone, on every machine and in every version."""
    return sorted(rows, key=lambda row: hashlib.sha256(f"{purpose}\x1f{ids[row]}".encode()).digest())


def half(ids: Sequence[str], seed: int) -> Mask:
    """True for half of the ids, the one fewer where they are odd."""
    member = np.zeros(len(ids), bool)
    member[ranked(ids, range(len(ids)), f"members {seed}")[: len(ids) // 2]] = True
    return member


def some(ids: Sequence[str], member: Mask, limit: int) -> list[int]:
    """``limit`` rows, half of them members as far as there are enough, in order; all rows if ``limit`` is 0."""
    if not limit:
        return list(range(len(ids)))
    sides = [ranked(ids, np.flatnonzero(member == side).tolist(), "limit") for side in (True, False)]
    return sorted(sides[0][: limit - limit // 2] + sides[1][: limit // 2])
