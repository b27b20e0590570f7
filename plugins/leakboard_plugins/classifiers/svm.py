"""Support vector machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from leakboard.api import Classifier
from leakboard_plugins.classifiers._fitting import decision, fitted, scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class Svm(Classifier):
    """Support vector machine on scaled features; the score is the signed distance to the boundary.

    ``gamma`` is the kernel's width parameter (1 / K for ``auto``, 1 / (K times the variance) for ``scale``); the linear
    kernel has none.
    """

    name: ClassVar[str] = "svm"
    C: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    kernel: Literal["linear", "poly", "rbf", "sigmoid"] = "rbf"
    gamma: Literal["scale", "auto"] | Annotated[float, Field(gt=0, allow_inf_nan=False)] = "scale"

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer of distances to the boundary, (M, K) to (M,)."""
        from sklearn.svm import SVC

        return fitted(scaled(SVC(C=self.C, kernel=self.kernel, gamma=self.gamma)), features, member, decision)
