"""Every pixel's neighbours, as shifted pictures of all images at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


def shifted(images: torch.Tensor, radius: int) -> Iterator[tuple[int, int, torch.Tensor]]:
    """Row and column from -``radius`` to ``radius``, and what lies that far from each pixel of images (N, C, H, W).

    Beyond the image its edge pixels are repeated.
    """
    from torch.nn.functional import pad

    height, width = images.shape[-2:]
    padded = pad(images, (radius, radius, radius, radius), mode="replicate")
    for row in range(2 * radius + 1):
        for column in range(2 * radius + 1):
            yield row - radius, column - radius, padded[..., row : row + height, column : column + width]
