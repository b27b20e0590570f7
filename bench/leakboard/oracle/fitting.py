"""Images of a dataset made to fit a victim of another size or colour, and what it returns made to fit back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakboard.errors import Unsupported

if TYPE_CHECKING:
    import torch

    from leakboard.api import Fit

Shape = tuple[int, int, int]
"""Channels, height and width."""


@dataclass(frozen=True)
class Fitting:
    """From images of one shape to another and back.

    Attributes:
        dataset: shape of the dataset's images.
        victim: shape that the victim takes; None where it takes what it is given.
        rule: ``exact`` fits nothing, ``pad`` surrounds with black and cuts it off again, ``resize`` is bicubic both
            ways.
    """

    dataset: Shape | None = None
    victim: Shape | None = None
    rule: Fit = "exact"

    @property
    def needed(self) -> bool:
        """Whether the two shapes differ."""
        return self.dataset is not None and self.victim is not None and self.dataset != self.victim

    @property
    def note(self) -> str:
        """The rule in words, for whoever reads the results; empty when nothing is done."""
        if not (self.needed and self.dataset and self.victim):
            return ""
        done = {"pad": "padded with black", "resize": "resized (bicubic)", "exact": ""}[self.rule]
        what = "repeated" if self.dataset[1:] == self.victim[1:] else done
        return f"{shown(self.dataset)} images {what} to {shown(self.victim)} for the victim, and its answers back"

    def check(self) -> None:
        """Refuse what the rule cannot fit.

        Raises:
            Unsupported: it says which shapes meet, and which rule would help.
        """
        if not (self.needed and self.dataset and self.victim):
            return
        (channels, *size), (wanted, *wanted_size) = self.dataset, self.victim
        meets = f"the images do not fit the victim: they are {shown(self.dataset)} and it takes {shown(self.victim)}"
        if channels != wanted and (channels, wanted) != (1, 3):
            advice = "; only grey images can be fitted to another number of channels"
            raise Unsupported(meets + advice + ", for your own images: folder(..., mode='L' or 'RGB')")
        if size == wanted_size:
            return
        if self.rule == "exact":
            advice = "; fit='pad' or 'resize' of the victim, or size=... of the dataset, where they have it"
            raise Unsupported(meets + advice)
        if self.rule == "pad" and (size[0] > wanted_size[0] or size[1] > wanted_size[1]):
            raise Unsupported(f"{meets}; larger images cannot be padded, use fit='resize'")

    def to_victim(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) of the dataset as the victim takes them."""
        if not (self.needed and self.victim and self.dataset):
            return images
        from torch.nn.functional import pad

        if self.rule == "pad":
            left, top = self._margins()
            images = pad(images, (left[0], left[1], top[0], top[1]))
        elif images.shape[-2:] != self.victim[1:]:
            images = resized(images, self.victim[1:])
        return images.expand(-1, self.victim[0], -1, -1) if images.shape[1] != self.victim[0] else images

    def from_victim(self, images: torch.Tensor) -> torch.Tensor:
        """Images of the victim in the shape of the dataset: grey is the mean of the channels."""
        if not (self.needed and self.victim and self.dataset):
            return images
        if self.rule == "pad":
            (left, _), (top, _) = self._margins()
            images = images[..., top : top + self.dataset[1], left : left + self.dataset[2]]
        elif images.shape[-2:] != self.dataset[1:]:
            images = resized(images, self.dataset[1:])
        return images.mean(1, keepdim=True) if images.shape[1] != self.dataset[0] else images.contiguous()

    def _margins(self) -> tuple[tuple[int, int], tuple[int, int]]:
        assert self.dataset
        assert self.victim
        across, down = self.victim[2] - self.dataset[2], self.victim[1] - self.dataset[1]
        return (across // 2, across - across // 2), (down // 2, down - down // 2)


def shown(shape: Shape) -> str:
    """A shape in words: ``28x28 grey``."""
    colour = {1: "grey", 3: "RGB"}.get(shape[0], f"{shape[0]}-channel")
    return f"{shape[1]}x{shape[2]} {colour}"


def resized(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bicubic with antialiasing, clamped to [0, 1]."""
    from torch.nn.functional import interpolate

    return interpolate(images, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
