"""Blind check of the pixels: what a classifier finds in tiny copies of the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard_plugins.observers.blind_numbers import Numbers, in_chunks, pair_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from leakboard.api import Oracle, Pair


@dataclass(frozen=True, kw_only=True)
class BlindPixels(Numbers):
    """Null check: the pixels of each image at ``size`` x ``size`` (area average); asks nothing.

    Blind baselines of this kind beat published attacks on ill-chosen data (Das, Zhang, Tramèr 2024, arXiv 2406.16201).

    Attributes:
        size: rows and columns that are left; smaller images are repeated to it.
    """

    name: ClassVar[str] = "blind_pixels"
    size: Annotated[int, Field(ge=1, le=64)] = 8

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair of channels x ``size`` x ``size`` numbers in [0, 1]."""
        yield pair_of("pixels", in_chunks(self._reduced, oracle.originals))

    def _reduced(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        import torch

        small = torch.nn.functional.adaptive_avg_pool2d(images, self.size)
        places = [(c, y, x) for c in range(small.shape[1]) for y in range(self.size) for x in range(self.size)]
        return {f"channel {c} row {y} column {x}": small[:, c, y, x] for c, y, x in places}
