"""One measure calibrated by another, without training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leakboard.api import Classifier, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leakboard.api import Array, Mask, Scorer

SMALLEST = 1e-12


@dataclass(frozen=True, kw_only=True)
class Ratio(Classifier):
    """Mean of all columns but the last, divided by the size of the last: a loss by what the sample's own loss would be.

    For observers whose last pair says how hard a sample is (``velocity_loss(complexity=...)``). Features arrive
    oriented, larger = closer, and keep that; nothing is learnt.
    """

    name: ClassVar[str] = "ratio"
    trains: ClassVar[bool] = False
    declined_checks: ClassVar[Mapping[str, str]] = {"labels flip the ranking": "it trains nothing"}

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer of ratios, (M, K) to (M,).

        Raises:
            Unsupported: if there is one column alone.
        """
        if features.shape[1] < 2:
            raise Unsupported("ratio divides by the last column, so it needs two or more; the features have 1")
        return lambda unseen: np.asarray(
            unseen[:, :-1].mean(axis=1) / np.abs(unseen[:, -1]).clip(min=SMALLEST), np.float64
        )
