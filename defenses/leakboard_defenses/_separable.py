"""Filtering images along rows and columns with one symmetric kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

Border = Literal["edge", "reflect"]


def separable(images: torch.Tensor, kernel: Sequence[float], border: Border) -> torch.Tensor:
    """Images (N, C, H, W) in [0, 1] weighed by ``kernel`` along both axes; the kernel is odd and sums to 1.

    Beyond the image, ``edge`` repeats the last pixel and ``reflect`` mirrors the image, its last pixel included. Each
    tap is one shifted addition over all images, so an image's result does not depend on its neighbours in the batch.
    """
    return _along(_along(images, kernel, border, -1), kernel, border, -2).clamp_(0, 1)


def _along(images: torch.Tensor, kernel: Sequence[float], border: Border, axis: int) -> torch.Tensor:
    length, radius = images.shape[axis], len(kernel) // 2
    padded = images.index_select(axis, _positions(length, radius, border, images.device))
    total = padded.narrow(axis, 0, length) * kernel[0]
    for tap, weight in enumerate(kernel[1:], start=1):
        total.add_(padded.narrow(axis, tap, length), alpha=weight)
    return total


def _positions(length: int, radius: int, border: Border, device: torch.device) -> torch.Tensor:
    """The pixel that stands at each position from -radius to length + radius - 1."""
    import torch

    positions = torch.arange(-radius, length + radius, device=device)
    if border == "edge":
        return positions.clamp_(0, length - 1)
    positions = positions.remainder_(2 * length)
    return torch.minimum(positions, 2 * length - 1 - positions)
