"""Which images of a training set count as members: half of them by a seed, or those on a list."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leakboard.api import LeakboardError
from leakboard.errors import nearest
from leakboard_plugins.datasets.finding import sibling

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Mask = npt.NDArray[np.bool_]


def ranked(ids: Sequence[str], rows: Sequence[int], purpose: str) -> list[int]:
    """Rows in an order that follows from their ids and the purpose alone, on every machine and in every version."""
    return sorted(rows, key=lambda row: hashlib.sha256(f"{purpose}\x1f{ids[row]}".encode()).digest())


def half(ids: Sequence[str], seed: int) -> Mask:
    """True for half of the ids, the one fewer where they are odd."""
    member = np.zeros(len(ids), bool)
    member[ranked(ids, range(len(ids)), f"members {seed}")[: len(ids) // 2]] = True
    return member


def on_list(ids: Sequence[str], file: Path) -> Mask:
    """True for the ids that a text file names, one a line.

    Raises:
        LeakboardError: the file is missing or no UTF-8 text, or a line is none of the ids.
    """
    expected = f"UTF-8 text with the id of one member a line, such as {ids[0]}"
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise LeakboardError(
            f"the list of members cannot be read: {reason}",
            where=str(file),
            expected=expected,
            nearest=sibling(file) if isinstance(error, FileNotFoundError) else "",
            next="members='path of a list', or leave members out: half of the images are members then, by split_seed",
        ) from error
    rows = {name: row for row, name in enumerate(ids)}
    member = np.zeros(len(ids), bool)
    for number, line in enumerate(lines, 1):
        if line and line not in rows:
            raise LeakboardError(
                f"there is no image {line!r}",
                where=f"{file}, line {number}",
                expected=expected,
                nearest=nearest(line, ids[:1000]),
                next="write the ids as this dataset spells them",
            )
        if line:
            member[rows[line]] = True
    return member


def some(ids: Sequence[str], member: Mask, limit: int) -> list[int]:
    """``limit`` rows, half of them members as far as there are enough, in order; all rows if ``limit`` is 0."""
    if not limit:
        return list(range(len(ids)))
    sides = [ranked(ids, np.flatnonzero(member == side).tolist(), "limit") for side in (True, False)]
    return sorted(sides[0][: limit - limit // 2] + sides[1][: limit // 2])
