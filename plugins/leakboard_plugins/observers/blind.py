"""The first blind check: what it finds in the images themselves is a fault of the dataset, not of the victim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Observer, Oracle, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Blind(Observer):
    """Null check: pairs each image with simple transforms of itself and never asks the victim."""

    name: ClassVar[str] = "blind"
    access = "black"
    null: ClassVar[bool] = True

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """Five pairs: mirrored, upside down, smoothed, shifted by one pixel, and flat at its mean."""
        import torch

        images = oracle.originals
        smooth = torch.nn.functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
        flat = images.mean(dim=(-2, -1), keepdim=True).expand_as(images)
        yield Pair(images, images.flip(-1), "mirrored")
        yield Pair(images, images.flip(-2), "upside down")
        yield Pair(images, smooth, "smoothed")
        yield Pair(images, images.roll(1, -1), "shifted")
        yield Pair(images, flat, "flat")
