"""What the shadow attacks share: of each sample its statistic, and how that lies among shadow victims of one side."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from leakboard.api import Unsupported

if TYPE_CHECKING:
    import numpy.typing as npt

    from leakboard.api import Array, Mask

FLOOR = 1e-150
"""Of variances: features that never vary leave a Gaussian without width."""


class Side(NamedTuple):
    """Shadow victims of one side, by sample: those that were trained on it, or those that were not.

    Attributes:
        number: shadow victims (N,).
        mean: of their statistics (N,); nan where there are none.
        squares: sum of their squared deviations from it (N,).
    """

    number: npt.NDArray[np.int64]
    mean: Array
    squares: Array


def statistic(features: Array) -> Array:
    """The mean of all columns (..., K): of several draws of a loss the averaged loss, larger for members."""
    return np.asarray(features.mean(axis=-1), np.float64)


def side(statistics: Array, chosen: Mask) -> Side:
    """Number, mean and squared deviations by sample of the statistics (S, N) that are chosen (S, N)."""
    number = chosen.sum(axis=0)
    total = np.where(chosen, statistics, 0.0).sum(axis=0)
    mean = np.divide(total, number, out=np.full(len(number), np.nan), where=number > 0)
    squares = (np.where(chosen, statistics - mean, 0.0) ** 2).sum(axis=0)
    return Side(number, mean, squares)


def variance(of: Side, few: int) -> Array:
    """Unbiased variance by sample (N,); pooled over all samples where fewer than ``few`` shadow victims are on a side.

    Raises:
        Unsupported: no sample has two shadow victims on this side, so nobody knows how far they spread.
    """
    degrees = np.maximum(of.number - 1, 0)
    if not degrees.any():
        raise Unsupported(
            f"{_told(of)} on either side of a sample leave no variance to be seen: it takes two or more on a side, "
            "four victims in complementary pairs at the least"
        )
    pooled = of.squares.sum() / degrees.sum()
    own = of.squares / np.maximum(degrees, 1)
    return np.maximum(np.where((of.number >= few) & (degrees > 0), own, pooled), FLOOR)


def known_outside(of: Side) -> Array:
    """Means (N,) of the shadow victims that were not trained on a sample; of samples that all know, the mean of others.

    Raises:
        Unsupported: every shadow victim was trained on every sample.
    """
    if not of.number.any():
        raise Unsupported("all shadow victims were trained on all samples: there is nothing to compare with")
    return np.where(of.number > 0, of.mean, np.nanmean(of.mean))


def _told(of: Side) -> str:
    most = int(of.number.max(initial=0))
    return f"{most} shadow victim{'' if most == 1 else 's'}"
