"""The likelihood-ratio attack: how likely the statistic of a sample is for victims that know it, and for others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from leakboard.api import Classifier, Unsupported
from leakboard_plugins.classifiers._shadows import Side, known_outside, side, statistic, variance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leakboard.api import Array, Mask, Scorer


class Gaussian(NamedTuple):
    """What the statistic of each sample is like for victims of one side, or of some samples.

    Attributes:
        mean: (N,).
        variance: (N,), above 0.
    """

    mean: Array
    variance: Array


def gaussians(features: Array, member: Mask, few: int) -> tuple[Gaussian, Gaussian]:
    """Of victims that were trained on a sample, and of those that were not: features (S, N, K), members (S, N).

    Args:
        features: oriented so that larger = closer.
        member: who was trained on what.
        few: victims on a side below which its variance is pooled over all samples.

    Raises:
        Unsupported: there are too few victims for a variance, or for a difference of the sides.
    """
    statistics = statistic(features)
    inside, outside = side(statistics, member), side(statistics, ~member)
    spreads = variance(inside, few), variance(outside, few)
    known, unknown = (Gaussian(*both) for both in zip(_both(inside, outside), spreads, strict=True))
    return known, unknown


def log_ratio(seen: Array, known: Gaussian, unknown: Gaussian) -> Array:
    """Log-likelihood ratio in nats (N,) of the statistic (N,) of a victim: log N(s; known) - log N(s; unknown)."""
    one, other = (-0.5 * (np.log(of.variance) + (seen - of.mean) ** 2 / of.variance) for of in (known, unknown))
    return np.asarray(one - other, np.float64)


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
        known, unknown = gaussians(features, member, self.few)
        return lambda seen: log_ratio(statistic(seen), known, unknown)


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
