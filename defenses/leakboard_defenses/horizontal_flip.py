"""Mirroring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import At, Defense
from leakboard_defenses._drawing import uniform

if TYPE_CHECKING:
    import torch

    from leakboard.api import Noise


@dataclass(frozen=True, kw_only=True)
class HorizontalFlip(Defense):
    """Left and right exchanged, of each image by chance.

    Attributes:
        at: where it acts; unless said otherwise on members while a victim is trained, anew each time they are shown.
        chance: that an image is mirrored.
    """

    name: ClassVar[str] = "horizontal_flip"
    at: At = "augmentation"
    chance: Annotated[float, Field(gt=0, le=1)] = 0.5

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to the same."""
        import torch

        chosen = uniform(images, noise)[:, :, None, None] < self.chance
        return torch.where(chosen, images.flip(-1), images)
