"""Gaussian blur."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Defense
from leakboard_defenses._separable import separable

if TYPE_CHECKING:
    import torch

    from leakboard.api import Noise

REACH = 4.0
"""The kernel ends after this many standard deviations."""


@dataclass(frozen=True, kw_only=True)
class GaussianBlur(Defense):
    """Gaussian blur with standard deviation ``sigma`` in pixels, the image mirrored at its edges.

    The same numbers as ``scipy.ndimage.gaussian_filter`` at its defaults.
    """

    name: ClassVar[str] = "gaussian_blur"
    sigma: Annotated[float, Field(gt=0, le=64, allow_inf_nan=False)] = 1.0

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - the contract's signature
        """(N, C, H, W) in [0, 1] to the same."""
        reach = int(REACH * self.sigma + 0.5)
        weights = [math.exp(-((tap / self.sigma) ** 2) / 2) for tap in range(-reach, reach + 1)]
        return separable(images, [weight / sum(weights) for weight in weights], "reflect")
