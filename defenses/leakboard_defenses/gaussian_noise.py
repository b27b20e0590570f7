"""Gaussian noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Defense

if TYPE_CHECKING:
    import torch

    from leakboard.api import Noise


@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Defense):
    """Independent Gaussian noise of standard deviation ``sigma`` on every pixel, clipped to [0, 1]."""

    name: ClassVar[str] = "gaussian_noise"
    sigma: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = 0.1

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to the same."""
        return noise(images).mul(self.sigma).add_(images).clamp_(0, 1)
