"""Peak signal-to-noise ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Distance
from leakboard_plugins.distances._tensors import image_operands
from leakboard_plugins.distances.mse import mean_squared_error

if TYPE_CHECKING:
    import torch

    from leakboard.api import Pair


@dataclass(frozen=True, kw_only=True)
class Psnr(Distance):
    """Peak signal-to-noise ratio in decibel, for images of data range 1; a similarity.

    Identical images would lie infinitely close, so the ratio stops at ``cap``: the default of 120 dB is an error of
    1e-6 a pixel, below which float32 images differ by rounding alone.
    """

    name: ClassVar[str] = "psnr"
    larger_is_closer: ClassVar[bool] = True
    cap: Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)] = 120.0

    def measure(self, pair: Pair) -> torch.Tensor:
        """Float64 (N,) in decibel, at most ``cap``."""
        floor = 10 ** (-self.cap / 10)
        return -10 * mean_squared_error(*image_operands(pair)).clamp(min=floor).log10()
