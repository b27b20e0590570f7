"""Gradient-boosted trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Classifier
from leakboard_plugins.classifiers._fitting import decision, fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class BoostedTrees(Classifier):
    """Gradient-boosted trees by histograms, as GSA and CLiD have them; the score is the log odds.

    The papers use XGBoost with 200 trees; scikit-learn's form of the same algorithm is used here.

    Attributes:
        trees: how many.
        depth: of each, at most.
        learning_rate: share of each tree that is added.
    """

    name: ClassVar[str] = "boosted_trees"
    trees: Annotated[int, Field(ge=1)] = 200
    depth: Annotated[int, Field(ge=1)] = 6
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.1

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer (M, K) to (M,), log odds.

        Raises:
            Unsupported: if the calibration samples are all members or all non-members.
        """
        return boosted(features, member, self.trees, self.depth, self.learning_rate)


def boosted(features: Array, member: Mask, trees: int = 200, depth: int = 6, learning_rate: float = 0.1) -> Scorer:
    """Fit boosted trees.

    Raises:
        Unsupported: if the samples are all members or all non-members.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=trees, max_depth=depth, learning_rate=learning_rate, early_stopping=False, random_state=0
    )
    return fitted(model, features, member, decision)
