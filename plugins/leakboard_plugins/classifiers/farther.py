"""Thresholds for statistics that grow with memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leakboard.api import Classifier, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class Farther(Classifier):
    """Minus the mean of all columns: for pairs that lie farther apart the better a sample is remembered.

    Nothing is learnt and ``member`` is never looked at: the direction is that of the attack's paper.
    """

    name: ClassVar[str] = "farther"
    trains: ClassVar[bool] = False
    declined_checks: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("members score higher", "labels flip the ranking", "learns from shadow victims"),
        "it trains nothing, and takes members to lie farther",
    )

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer in the unit of the distance, (M, K) to (M,)."""
        return lambda unseen: np.asarray(-unseen.mean(axis=1), np.float64)


@dataclass(frozen=True, kw_only=True)
class Weighted(Classifier):
    """A sum of the columns with given weights, one a column. Nothing is learnt.

    Attributes:
        weights: of the columns, in their order.
    """

    name: ClassVar[str] = "weighted"
    trains: ClassVar[bool] = False
    declined_checks: ClassVar[Mapping[str, str]] = {"labels flip the ranking": "it trains nothing"}
    weights: tuple[float, ...] = (1.0, 2.0)

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer (M, K) to (M,).

        Raises:
            Unsupported: there are not as many columns as weights.
        """
        if len(self.weights) != len(columns):
            raise Unsupported(f"weighted has {len(self.weights)} weights, the features {len(columns)} columns")
        weights = np.array(self.weights)
        return lambda unseen: np.asarray(unseen @ weights, np.float64)
