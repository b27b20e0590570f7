"""Box blur."""

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


@dataclass(frozen=True, kw_only=True)
class BoxBlur(Defense):
    """Mean of the square of side 2 ``radius`` + 1 around each pixel, the edge pixels repeated outwards.

    A fractional radius gives the outermost pixels that fraction of the weight, as ``PIL.ImageFilter.BoxBlur`` does.
    """

    name: ClassVar[str] = "box_blur"
    radius: Annotated[float, Field(gt=0, le=256, allow_inf_nan=False)] = 1.0

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - the contract's signature
        """(N, C, H, W) in [0, 1] to the same."""
        reach = math.ceil(self.radius)
        side = 2 * self.radius + 1
        edge = (self.radius - reach + 1) / side
        return separable(images, [edge, *[1 / side] * (2 * reach - 1), edge], "edge")
