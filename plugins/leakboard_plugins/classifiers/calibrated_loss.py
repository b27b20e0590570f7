"""Difficulty calibration: a sample's statistic less what victims say of it that never saw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Classifier
from leakboard_plugins.classifiers._shadows import known_outside, side, statistic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class CalibratedLoss(Classifier):
    """The mean of all columns less its mean over the reference victims that were not trained on the sample.

    Watson, Guo, Cormode and Sablayrolles 2022, arXiv 2111.08440; one reference victim is enough. A sample that all were
    trained on is compared with the mean of all others.
    """

    name: ClassVar[str] = "calibrated_loss"
    needs_shadows: ClassVar[bool] = True
    declined_checks: ClassVar[Mapping[str, str]] = {
        "labels of shadow victims flip the ranking": "it looks at one side only, and larger is always closer"
    }

    def fit_shadows(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer in the unit of the features, (N, K) to (N,).

        Raises:
            Unsupported: every shadow victim was trained on every sample.
        """
        difficulty = known_outside(side(statistic(features), ~member))
        return lambda seen: statistic(seen) - difficulty
