"""RMIA: a sample's likelihood ratio against the ratios of a population."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from leakboard.api import Classifier
from leakboard_plugins.classifiers._shadows import known_outside, side, statistic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class Rmia(Classifier):
    """RMIA, offline: the share of other samples z that x beats, [p(x|victim)/p(x)] / [p(z|victim)/p(z)] >= gamma.

    p(x|victim) is exp(``scale`` s) of the statistic s, the mean of all columns: of a loss, at most 1. p(x) is
    ((1 + a) p_out(x) + (1 - a)) / 2, where p_out(x) is the mean over the shadow victims that were not trained on x
    (Zarifzadeh, Liu, Shokri 2024, arXiv 2312.03262). The population is all samples in use but x, of which the attacker
    does not know who is a member.

    Attributes:
        a: how far p_in is taken to lie from p_out, on the way to 1; 1: they are equal.
        gamma: by which factor x has to beat z. 1 keeps the ranking free of ``scale`` but for what ``a`` makes of it.
        scale: of the statistic, so that it is a log-likelihood.
    """

    name: ClassVar[str] = "rmia"
    needs_shadows: ClassVar[bool] = True
    declined_checks: ClassVar[Mapping[str, str]] = {
        "labels of shadow victims flip the ranking": "it looks at one side only, and larger is always closer",
        "shadow attacks score each sample by itself": "each sample is compared with all others, which is the attack",
    }
    a: Annotated[float, Field(ge=0, le=1)] = 0.3
    gamma: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0

    def fit_shadows(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer of shares in [0, 1], (N, K) to (N,).

        Raises:
            Unsupported: every shadow victim was trained on every sample.
        """
        logs, outside = self.scale * statistic(features), ~member
        unseen = known_outside(side(logs, outside))
        with np.errstate(divide="ignore", invalid="ignore"):
            log_out = np.logaddexp.reduce(logs, axis=0, where=outside, initial=-np.inf) - np.log(outside.sum(axis=0))
            log_out = np.where(outside.any(axis=0), log_out, unseen)
            log_p = np.logaddexp(np.log1p(self.a) + log_out, np.log1p(-self.a)) - np.log(2)

        def score(seen: Array) -> Array:
            ratio = self.scale * statistic(seen) - log_p
            beaten = np.searchsorted(np.sort(ratio), ratio - np.log(self.gamma), side="right")
            itself = self.gamma <= 1
            return np.asarray((beaten - itself) / max(1, len(ratio) - 1), np.float64)

        return score
