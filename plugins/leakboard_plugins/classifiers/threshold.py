"""No training at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from leakboard.api import Classifier, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class Threshold(Classifier):
    """The features themselves as the score: the mean of all columns, or one column (negative counts from the end).

    Features arrive oriented, larger = closer, so nothing is learnt and ``member`` is never looked at.
    """

    name: ClassVar[str] = "threshold"
    trains: ClassVar[bool] = False
    declined_checks: ClassVar[Mapping[str, str]] = {"labels flip the ranking": "it trains nothing"}
    column: Literal["mean"] | int = "mean"

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer in the unit of the features, (M, K) to (M,).

        Raises:
            Unsupported: if there is no such column.
        """
        if self.column == "mean":
            return lambda unseen: np.asarray(unseen.mean(axis=1), np.float64)
        column, count = self.column, features.shape[1]
        if not -count <= column < count:
            raise Unsupported(f"threshold(column={column}) needs that column; the features have {count}, from 0")
        return lambda unseen: np.asarray(unseen[:, column], np.float64)
