"""Random crops, enlarged again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Defense

if TYPE_CHECKING:
    import torch

    from leakboard.api import Noise


@dataclass(frozen=True, kw_only=True)
class RandomCropResize(Defense):
    """A part of each image at a random place, enlarged bilinearly to the image's size.

    Attributes:
        share: of both sides that is kept, in (0, 1); at least one pixel. Sides too short to lose one stay whole.
    """

    name: ClassVar[str] = "random_crop_resize"
    share: Annotated[float, Field(gt=0, lt=1)] = 0.85

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to the same."""
        import torch
        from torch.nn.functional import interpolate

        count, _, height, width = images.shape
        kept = [max(1, round(self.share * side)) for side in (height, width)]
        # two even numbers in (0, 1) a sample, made of normal ones
        drawn = torch.special.ndtr(noise(images.new_empty(count, 2)))
        top, left = (
            (drawn[:, place] * (side - part + 1)).long().clamp_(max=side - part)
            for place, (side, part) in enumerate(zip((height, width), kept, strict=True))
        )
        rows = top[:, None] + torch.arange(kept[0], device=images.device)
        columns = left[:, None] + torch.arange(kept[1], device=images.device)
        sample = torch.arange(count, device=images.device)[:, None, None]
        # indexed so, the channels come last
        parts = images.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        return interpolate(parts.contiguous(), [height, width], mode="bilinear").clamp(0, 1)
