"""Random forest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Classifier
from leakboard_plugins.classifiers._fitting import fitted, probability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class RandomForest(Classifier):
    """Random forest; the score is the mean share of members in the leaves. It finds limits that a line cannot."""

    name: ClassVar[str] = "random_forest"
    trees: Annotated[int, Field(ge=1)] = 100
    min_samples_leaf: Annotated[int, Field(ge=1)] = 3
    random_state: Annotated[int, Field(ge=0, lt=2**32)] = 0

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer of shares in [0, 1], (M, K) to (M,)."""
        from sklearn.ensemble import RandomForestClassifier

        model = RandomForestClassifier(
            n_estimators=self.trees, min_samples_leaf=self.min_samples_leaf, random_state=self.random_state
        )
        return fitted(model, features, member, probability)
