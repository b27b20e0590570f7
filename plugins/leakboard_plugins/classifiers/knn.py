"""Nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from leakboard.api import Classifier, Unsupported
from leakboard_plugins.classifiers._fitting import fitted, probability, scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class Knn(Classifier):
    """Share of members among the ``k`` nearest calibration samples in scaled features; ``distance`` weighs the near."""

    name: ClassVar[str] = "knn"
    k: Annotated[int, Field(ge=1)] = 5
    weights: Literal["uniform", "distance"] = "uniform"

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer of shares in [0, 1], (M, K) to (M,).

        Raises:
            Unsupported: if there are fewer than ``k`` calibration samples.
        """
        from sklearn.neighbors import KNeighborsClassifier

        if len(features) < self.k:
            raise Unsupported(f"knn(k={self.k}) needs as many calibration samples; there are {len(features)}")
        model = KNeighborsClassifier(n_neighbors=self.k, weights=self.weights)
        return fitted(scaled(model), features, member, probability)
