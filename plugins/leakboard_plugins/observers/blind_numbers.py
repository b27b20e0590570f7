"""What the blind checks share: numbers of each sample, as a pair that no victim was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Observer, Pair, Space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

CHUNK = 2**20
"""Elements of images worked on at once, so that large images take no more memory than small ones."""


@dataclass(frozen=True, kw_only=True)
class Numbers(Observer):
    """A null observer that yields numbers instead of images: one pair of them all, against zeros."""

    access = "black"
    space: ClassVar[Space] = "statistic"
    null: ClassVar[bool] = True


def pair_of(label: str, numbers: Mapping[str, torch.Tensor]) -> Pair:
    """One pair of K numbers a sample (N, K), named, against zeros."""
    import torch

    values = torch.stack([column.double() for column in numbers.values()], 1)
    return Pair(torch.zeros_like(values), values, label, "statistic", tuple(numbers))


def in_chunks(
    measure: Callable[[torch.Tensor], dict[str, torch.Tensor]], images: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Numbers (N,) by name, measured on a few images (n, C, H, W) at a time, in float64 on the processor."""
    import torch

    size = max(1, CHUNK // max(1, images[0].numel()))
    parts = [measure(part.cpu().double()) for part in torch.split(images, size)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
