"""Rounding to few values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Defense

if TYPE_CHECKING:
    import torch

    from leakboard.api import Noise


@dataclass(frozen=True, kw_only=True)
class QuantizeLevels(Defense):
    """Every number rounded to the nearest of evenly spaced values from 0 to 1.

    At the query it is a reduction of colours; with ``at='output'`` the victim's answers are rounded.

    Attributes:
        levels: how many values there are; 256 are those of an 8-bit file.
    """

    name: ClassVar[str] = "quantize_levels"
    levels: Annotated[int, Field(ge=2, le=256)] = 8

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - the contract's signature
        """(N, C, H, W) in [0, 1] to the same."""
        steps = self.levels - 1
        return images.mul(steps).round_().div_(steps)
