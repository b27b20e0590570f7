"""Bilateral filter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Defense
from leakboard_defenses._windows import shifted

if TYPE_CHECKING:
    import torch

    from leakboard.api import Noise

REACH = 3.0
"""The window ends after this many standard deviations."""


@dataclass(frozen=True, kw_only=True)
class Bilateral(Defense):
    """Mean of the pixels around each, weighed by nearness and by likeness, which leaves edges sharp.

    Tomasi and Manduchi 1998, two Gaussians, the edge pixels repeated outwards. ``denoise_bilateral`` of scikit-image
    0.26 gives other numbers: its table of nearness lies one pixel askew, and it takes a third of the distance of two
    colours. Of grey images the weights of likeness are the same.

    Attributes:
        sigma: standard deviation of nearness in pixels.
        contrast: standard deviation of likeness, as the distance of two colours with channels in [0, 1].
    """

    name: ClassVar[str] = "bilateral"
    sigma: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = 1.0
    contrast: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = 0.1

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - the contract's signature
        """(N, C, H, W) in [0, 1] to the same."""
        import torch

        total, weights = torch.zeros_like(images), torch.zeros_like(images[:, :1])
        for row, column, seen in shifted(images, math.ceil(REACH * self.sigma)):
            unlike = (seen - images).square_()
            # channel by channel: the order in which a sum is taken must not depend on the batch
            apart = sum(unlike[:, channel : channel + 1] for channel in range(images.shape[1]))
            far = (row**2 + column**2) / (2 * self.sigma**2)
            weight = torch.as_tensor(apart).mul(-1 / (2 * self.contrast**2)).sub_(far).exp_()
            total += weight * seen
            weights += weight
        return total.div_(weights).clamp_(0, 1)
