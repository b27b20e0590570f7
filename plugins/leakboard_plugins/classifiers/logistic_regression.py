"""Logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Classifier
from leakboard_plugins.classifiers._fitting import decision, fitted, scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class LogisticRegression(Classifier):
    """Logistic regression on scaled features, L2-regularised with inverse strength ``C``; the score is the log odds."""

    name: ClassVar[str] = "logistic_regression"
    C: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    max_iter: Annotated[int, Field(ge=1)] = 1000

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer of log odds, (M, K) to (M,)."""
        from sklearn.linear_model import LogisticRegression as Model

        return fitted(scaled(Model(C=self.C, max_iter=self.max_iter)), features, member, decision)
