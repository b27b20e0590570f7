"""Which members an attack finds, and how much several attacks agree about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakboard.statistics.ranking import centred_ranks
from leakboard.statistics.roc import lowest_threshold

if TYPE_CHECKING:
    from leakboard.api import Array, Mask

RATE = 0.01
"""False-positive rate at which a member is caught."""


def exposure(scores: Array, member: Mask) -> Array:
    """Of each member (M,), in their order, the share of non-members that score lower; equal ones count one half."""
    others = np.sort(scores[~member])
    mine = scores[member]
    below = np.searchsorted(others, mine, side="left") + np.searchsorted(others, mine, side="right")
    return np.asarray(below / (2 * len(others)), np.float64)


def caught(scores: Array, member: Mask, rate: float = RATE) -> Mask:
    """Of each member (M,) whether it is above the lowest threshold whose false-positive rate is at most ``rate``.

    Their share is the TPR that `leakboard.statistics.roc.tpr_at_fpr` gives.
    """
    return np.asarray(scores[member] > lowest_threshold(np.sort(scores[~member]), rate), np.bool_)


def agreement(rows: Array) -> Array:
    """Rank correlations (K, K) of rows (K, M) of the same samples (Spearman); NaN where all of a row are equal."""
    ranks = np.stack([centred_ranks(row) for row in rows]).astype(np.float64)
    length = np.sqrt((ranks**2).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.clip(ranks @ ranks.T / np.outer(length, length), -1, 1), np.float64)


def overlap(found: Mask) -> Array:
    """Of the members (K, M) that either of two attacks catches the share that both do (K, K); NaN where none is."""
    sets = found.astype(np.float64)
    both = sets @ sets.T
    counts = sets.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(both / (counts[:, None] + counts[None, :] - both), np.float64)


def by_how_many(found: Mask) -> tuple[Array, Array]:
    """The share of members (K, M) that at least k of K attacks catch, k = 1 ... K, and what it were by chance.

    By chance every attack would catch as many members, and which ones would have nothing to do with the others.
    """
    times = found.sum(0)
    numbers = np.arange(1, len(found) + 1)
    chances = np.ones(1)
    for share in found.mean(1):
        chances = np.convolve(chances, [1 - share, share])
    expected = chances[::-1].cumsum()[::-1][1:]
    return np.array([(times >= number).mean() for number in numbers]), expected
