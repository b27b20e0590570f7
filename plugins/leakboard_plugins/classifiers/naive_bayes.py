"""Naive Bayes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from leakboard.api import Classifier
from leakboard_plugins.classifiers._fitting import fitted, scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class NaiveBayes(Classifier):
    """Gaussian naive Bayes on scaled features; the score is the log odds, which never saturate as probabilities do.

    ``var_smoothing`` times the largest variance is added to every variance.
    """

    name: ClassVar[str] = "naive_bayes"
    var_smoothing: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-9

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer of log odds, (M, K) to (M,)."""
        from sklearn.naive_bayes import GaussianNB

        if (features == features[:1]).all():
            return _indifferent
        return fitted(scaled(GaussianNB(var_smoothing=self.var_smoothing)), features, member, _log_odds)


def _log_odds(model: Any, features: Array) -> Array:
    joint = model[-1].predict_joint_log_proba(model[:-1].transform(features))
    return np.asarray(joint[:, 1] - joint[:, 0], np.float64)


def _indifferent(features: Array) -> Array:
    """Nothing was learnt from features that never vary, and a Gaussian without variance has no density."""
    return np.zeros(len(features))
