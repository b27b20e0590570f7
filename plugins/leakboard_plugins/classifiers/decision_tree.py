"""Decision tree."""

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
class DecisionTree(Classifier):
    """Decision tree; the score is the share of members in the leaf. ``max_depth=None`` lets it grow until pure."""

    name: ClassVar[str] = "decision_tree"
    max_depth: Annotated[int, Field(ge=1)] | None = 5
    min_samples_leaf: Annotated[int, Field(ge=1)] = 5
    random_state: Annotated[int, Field(ge=0, lt=2**32)] = 0

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer of shares in [0, 1], (M, K) to (M,)."""
        from sklearn.tree import DecisionTreeClassifier

        model = DecisionTreeClassifier(
            max_depth=self.max_depth, min_samples_leaf=self.min_samples_leaf, random_state=self.random_state
        )
        return fitted(model, features, member, probability)
