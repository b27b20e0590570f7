"""PFAMI's statistic of losses of images and of their crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leakboard.api import Classifier, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leakboard.api import Array, Mask, Scorer

PLAIN = "plain"
"""What the columns of whole images are called."""


@dataclass(frozen=True, kw_only=True)
class Fluctuation(Classifier):
    """Mean over crops and timesteps of (loss of a crop - loss) / loss (Fu et al. 2023, arXiv 2308.12143).

    Members lie at sharper minima, so that a crop raises their loss by more of it. It takes the pairs of ``crops``.
    """

    name: ClassVar[str] = "fluctuation"
    trains: ClassVar[bool] = False
    declined_checks: ClassVar[Mapping[str, str]] = {"labels flip the ranking": "it trains nothing"}

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer (M, K) to (M,), a relative change.

        Raises:
            Unsupported: the columns are not those of ``crops``.
        """
        plain = [place for place, name in enumerate(columns) if name.endswith(PLAIN)]
        widths = np.diff([*plain, len(columns)])
        if not plain or plain[0] != 0 or len(set(widths)) != 1 or widths[0] < 2:
            raise Unsupported(
                "fluctuation needs the pairs of the observer crops: an image and its crops at each timestep"
            )

        def score(unseen: Array) -> Array:
            # a feature is a loss with its sign turned, which cancels in the ratio of crop to plain
            losses = -unseen.reshape(len(unseen), len(plain), -1)
            return np.asarray((losses[..., 1:] / np.maximum(losses[..., :1], 1e-12) - 1).mean((1, 2)), np.float64)

        return score
