"""A square that is cut out."""

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
class Cutout(Defense):
    """A square of every image made grey, its centre anywhere in the image (DeVries, Taylor 2017, arXiv 1708.04552).

    What of the square lies outside the image is lost. Grey is one half: the zero of a model that is shown images in
    [-1, 1].

    Attributes:
        at: where it acts; unless said otherwise on members while a victim is trained, anew each time they are shown.
        share: side of the square, of the shorter side of the image; the paper's is one half on 32x32.
    """

    name: ClassVar[str] = "cutout"
    at: At = "augmentation"
    share: Annotated[float, Field(gt=0, le=1)] = 0.5

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to the same."""
        height, width = images.shape[-2:]
        side = max(1, round(self.share * min(height, width)))
        places = uniform(images, noise, 2)
        inside = (
            _inside(places[:, 0], height, side)[:, None, :, None] & _inside(places[:, 1], width, side)[:, None, None]
        )
        return images.masked_fill(inside, 0.5)


def _inside(places: torch.Tensor, length: int, side: int) -> torch.Tensor:
    """Which pixels (N, length) of one axis lie in squares whose centres are at ``places`` in [0, 1) of it."""
    import torch

    first = (places * length).long() - side // 2
    pixels = torch.arange(length, device=places.device)
    return (pixels >= first[:, None]) & (pixels < first[:, None] + side)
