"""The likelihood-ratio attack: how likely the statistic of a sample is for victims that know it, and for others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from leakboard.api import Classifier, Unsupported
from leakboard_plugins.classifiers._shadows import Side, known_outside, side, statistic, variance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class Lira(Classifier):
    """LiRA: log-likelihood ratio of two Gaussians a sample, fitted on shadow victims with and without it.

    Log N(s; mean in, variance in) - log N(s; mean out, variance out) of the statistic s, the mean of all columns
    (Carlini et al. 2022, arXiv 2112.03570, algorithm 1; of a diffusion model's averaged loss Carlini et al. 2023, arXiv
    2301.13188). Each side has its own variance, unbiased. A sample that all shadow victims or none was trained on takes
    its missing mean from the mean difference of the two sides.

    Attributes:
        few: shadow victims on a side below which its variance is pooled over all samples, about their own means.
    """

    name: ClassVar[str] = "lira"
    needs_shadows: ClassVar[bool] = True
    few: Annotated[int, Field(ge=2)] = 64

    def fit_shadows(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer of log-likelihood ratios in nats, (N, K) to (N,).

        Raises:
            Unsupported: there are too few shadow victims for a variance, or for a difference of the sides.
        """
        statistics = statistic(features)
        inside, outside = side(statistics, member), side(statistics, ~member)
        spreads = variance(inside, self.few), variance(outside, self.few)
        means = _both(inside, outside)

        def score(seen: Array) -> Array:
            known, unknown = (
                -0.5 * (np.log(spread) + (statistic(seen) - mean) ** 2 / spread)
                for mean, spread in zip(means, spreads, strict=True)
            )
            return np.asarray(known - unknown, np.float64)

        return score


def _both(inside: Side, outside: Side) -> tuple[Array, Array]:
    """The means of both sides, none missing."""
    both = (inside.number > 0) & (outside.number > 0)
    if not both.any():
        raise Unsupported("no sample has shadow victims that were trained on it and others that were not")
    gap = (inside.mean - outside.mean)[both].mean()
    return (
        np.where(inside.number > 0, inside.mean, outside.mean + gap),
        np.where(outside.number > 0, outside.mean, inside.mean - gap),
    )


@dataclass(frozen=True, kw_only=True)
class LiraOffline(Classifier):
    """Offline LiRA: how far a sample's statistic lies above that of shadow victims that were not trained on it.

    The score is z = (s - mean out) / standard deviation out, whose normal distribution function is the paper's
    1 - Pr[Z > s]; unlike it, z does not saturate (Carlini et al. 2022, arXiv 2112.03570). While the variance is pooled
    it ranks as ``calibrated_loss`` does.

    Attributes:
        few: shadow victims below which the variance is pooled over all samples, about their own means.
    """

    name: ClassVar[str] = "lira_offline"
    needs_shadows: ClassVar[bool] = True
    declined_checks: ClassVar[Mapping[str, str]] = {
        "labels of shadow victims flip the ranking": "it looks at one side only, and larger is always closer"
    }
    few: Annotated[int, Field(ge=2)] = 64

    def fit_shadows(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer in standard deviations, (N, K) to (N,).

        Raises:
            Unsupported: there are too few shadow victims for a variance.
        """
        outside = side(statistic(features), ~member)
        mean, deviation = known_outside(outside), np.sqrt(variance(outside, self.few))
        return lambda seen: np.asarray((statistic(seen) - mean) / deviation, np.float64)
