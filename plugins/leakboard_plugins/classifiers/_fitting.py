"""What the trained classifiers share: fit a scikit-learn model once, then score with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.api import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakboard.api import Array, Mask, Scorer


def scaled(model: Any) -> Any:
    """``model`` behind a scaler to zero mean and unit variance; constant columns become 0."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


def decision(model: Any, features: Array) -> Array:
    """Signed distance to the decision boundary."""
    return np.asarray(model.decision_function(features), np.float64)


def probability(model: Any, features: Array) -> Array:
    """Probability of being a member."""
    return np.asarray(model.predict_proba(features)[:, 1], np.float64)


def fitted(model: Any, features: Array, member: Mask, score: Callable[[Any, Array], Array]) -> Scorer:
    """Fit ``model`` on (N, K) features and return the scorer that asks it by ``score``.

    Raises:
        Unsupported: if the calibration samples are all members or all non-members.
    """
    if member.all() or not member.any():
        raise Unsupported("training a classifier needs members and non-members among the calibration samples")
    model.fit(features, member)
    return lambda unseen: score(model, unseen)
