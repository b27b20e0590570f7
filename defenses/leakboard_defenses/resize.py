"""Resizing down and up again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Defense

if TYPE_CHECKING:
    import torch

    from leakboard.api import Noise


@dataclass(frozen=True, kw_only=True)
class Resize(Defense):
    """Images made smaller, bilinearly with antialiasing, and enlarged to their size again.

    Attributes:
        factor: of both sides, in (0, 1); each keeps at least one pixel.
    """

    name: ClassVar[str] = "resize"
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - the contract's signature
        """(N, C, H, W) in [0, 1] to the same."""
        from torch.nn.functional import interpolate

        sides = images.shape[-2:]
        small = [max(1, round(self.factor * side)) for side in sides]
        reduced = interpolate(images, small, mode="bilinear", antialias=True)
        return interpolate(reduced, list(sides), mode="bilinear", antialias=True).clamp(0, 1)
