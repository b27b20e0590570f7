"""Logistic regression on weighted word counts."""

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
class TfidfLogistic(Classifier):
    """Logistic regression on word counts weighted by TF-IDF; for ``blind_captions``. The score is the log odds.

    A count weighs the less, the more calibration samples have one in its column, and every row gets length 1.
    Other features are no counts: it takes them too, but their scale is lost.
    """

    name: ClassVar[str] = "tfidf_logistic"
    C: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    max_iter: Annotated[int, Field(ge=1)] = 1000

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer of log odds, (M, K) to (M,)."""
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        model = make_pipeline(TfidfTransformer(), LogisticRegression(C=self.C, max_iter=self.max_iter))
        return fitted(model, features, member, decision)
