"""Images that the victim makes of a caption or of nothing, beside the image in question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Need, Observer, Oracle, Pair, Space
from leakboard_plugins.observers.blind_numbers import pair_of
from leakboard_plugins.observers.conditional import captions_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


@dataclass(frozen=True, kw_only=True)
class Generations(Observer):
    """Pang and Wang: the image against generations from its caption (NDSS 2025, arXiv 2312.08207).

    Attributes:
        draws: generations a sample; each gives one pair, so that means are taken after the distance.
        steps: denoiser steps of each.
    """

    name: ClassVar[str] = "generations"
    access = "black"
    needs: ClassVar[frozenset[Need]] = frozenset({"prompts"})
    draws: Annotated[int, Field(ge=1)] = 3
    steps: Annotated[int, Field(ge=1, le=1000)] = 30

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair a draw.

        Raises:
            Unsupported: the dataset has no captions, or the victim takes no prompts.
        """
        captions = captions_of(oracle, self.name)
        for draw in range(self.draws):
            yield Pair(oracle.originals, oracle.generate(self.steps, draw, captions), f"generation {draw}")


@dataclass(frozen=True, kw_only=True)
class NearestGeneration(Observer):
    """Distance to the nearest of many generations, relative to the next ones (Carlini et al. 2023, arXiv 2301.13188).

    One number a sample, the higher the nearer: minus the distance to the nearest generation over the mean distance to
    its ``near`` nearest. A generated copy of the image lies much nearer than all others.

    Attributes:
        count: generations that all samples share.
        steps: denoiser steps of each.
        near: how many nearest ones the distance is relative to.
        tile: side of the tiles of which the largest distance counts; 0 compares images whole.
    """

    name: ClassVar[str] = "nearest_generation"
    access = "black"
    space: ClassVar[Space] = "statistic"
    count: Annotated[int, Field(ge=2)] = 256
    steps: Annotated[int, Field(ge=1, le=1000)] = 20
    near: Annotated[int, Field(ge=2)] = 50
    tile: Annotated[int, Field(ge=0)] = 0

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair of one number a sample."""
        pool = oracle.pool(self.count, self.steps)
        nearest = tiled(oracle.originals, pool, self.tile).topk(min(self.near, self.count), largest=False).values
        ratio = nearest[:, 0] / nearest.mean(1).clamp(min=1e-12)
        yield pair_of("nearest", {"nearest": -ratio})


def tiled(images: torch.Tensor, pool: torch.Tensor, tile: int) -> torch.Tensor:
    """Euclidean distances (N, count) of images to those of a pool; with tiles the largest of all of a pair."""
    import torch

    size = tile or max(images.shape[-2:])
    largest = images.new_zeros(len(images), len(pool), dtype=torch.float64)
    for top in range(0, images.shape[-2], size):
        for left in range(0, images.shape[-1], size):
            one, other = (
                each[:, :, top : top + size, left : left + size].flatten(1).double() for each in (images, pool)
            )
            largest = torch.maximum(largest, torch.cdist(one, other))
    return largest
