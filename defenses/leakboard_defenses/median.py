"""Median filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Defense
from leakboard_defenses._windows import shifted

if TYPE_CHECKING:
    import torch

    from leakboard.api import Noise

NUMBERS = 1 << 24
"""What the neighbours of some images may come to at once."""


@dataclass(frozen=True, kw_only=True)
class Median(Defense):
    """Median of the square of side 2 ``radius`` + 1 around each pixel, a channel at a time, its edge pixels repeated.

    The same numbers as ``skimage.filters.median`` with a square and ``mode='nearest'``.

    Attributes:
        radius: in pixels.
    """

    name: ClassVar[str] = "median"
    radius: Annotated[int, Field(ge=1, le=16)] = 1

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - the contract's signature
        """(N, C, H, W) in [0, 1] to the same."""
        import torch

        room = max(1, NUMBERS // ((2 * self.radius + 1) ** 2 * images[0].numel()))
        return torch.cat([self._of(part) for part in torch.split(images, room)])

    def _of(self, images: torch.Tensor) -> torch.Tensor:
        import torch

        middle: torch.Tensor = torch.stack([seen for _, _, seen in shifted(images, self.radius)]).median(0).values
        return middle
