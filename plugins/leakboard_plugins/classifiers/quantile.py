"""Quantile regression: a sample's statistic against what non-members of its kind reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from leakboard.api import Classifier, Unsupported
from leakboard_plugins.classifiers._fitting import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class Quantile(Classifier):
    """The first column less its quantile among non-members, regressed on the other columns, which tell of the image.

    Fitted on the non-members of the calibration samples alone (Tang et al. 2024, arXiv 2312.05140, after Bertran et al.
    2023, arXiv 2307.03694). The paper regresses by small networks that see the image; here the regression is linear in
    numbers that describe it, for a few hundred images: least mean pinball loss, all columns scaled to unit variance,
    plus ``penalty`` times the sum of the coefficients' sizes. Without other columns it is one quantile for all.

    Attributes:
        level: of the quantile: 1 less the false-positive rate that is meant.
        penalty: L1, against more columns than the images can bear.
    """

    name: ClassVar[str] = "quantile"
    declined_checks: ClassVar[Mapping[str, str]] = {
        "labels flip the ranking": "it is fitted on non-members alone, and larger is always closer",
        "labels of shadow victims flip the ranking": "it is fitted on non-members alone, and larger is always closer",
    }
    level: Annotated[float, Field(gt=0, lt=1)] = 0.9
    penalty: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer in standard deviations of the first column among non-members, (M, K) to (M,).

        Raises:
            Unsupported: there are no non-members among the calibration samples.
        """
        outside = features[~member]
        if not len(outside):
            raise Unsupported("a quantile of non-members needs some among the calibration samples")
        center, width = outside[:, 0].mean(), outside[:, 0].std() or 1.0
        quantile = self._regressed(outside[:, 1:], (outside[:, 0] - center) / width)
        return lambda seen: np.asarray((seen[:, 0] - center) / width - quantile(seen[:, 1:]), np.float64)

    def _regressed(self, described: Array, reached: Array) -> Callable[[Array], Any]:
        """From descriptions (M, K - 1) to the quantile of each (M,)."""
        if not described.shape[1]:
            constant = np.quantile(reached, self.level)
            return lambda _: constant
        from sklearn.linear_model import QuantileRegressor

        model = scaled(QuantileRegressor(quantile=self.level, alpha=self.penalty, solver="highs"))
        regressed: Callable[[Array], Any] = model.fit(described, reached).predict
        return regressed
