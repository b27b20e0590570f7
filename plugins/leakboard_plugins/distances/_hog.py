"""Histograms of oriented gradients, batched: equal to ``skimage.feature.hog`` at its defaults, image by image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.api import Unsupported
from leakboard_plugins.distances._tensors import wide

if TYPE_CHECKING:
    import torch

ORIENTATIONS = 9
CELL = 8
BLOCK = 3
EPSILON = 1e-5
CLIP = 0.2


def hog(images: torch.Tensor) -> torch.Tensor:
    """Dalal and Triggs 2005 descriptors with blocks of 3 x 3 cells: images (N, C, H, W) to float64 (N, K).

    Raises:
        Unsupported: if the images are smaller than one block of 24 pixels.
    """
    height, width = images.shape[-2:]
    if min(height, width) < BLOCK * CELL:
        raise Unsupported(f"features(net='hog') needs images of {BLOCK * CELL} pixels or more, not {height} x {width}")
    cells = _histograms(*_gradients(wide(images)))
    blocks = cells.unfold(1, BLOCK, 1).unfold(2, BLOCK, 1).permute(0, 1, 2, 4, 5, 3)
    clipped = _normalised(blocks.flatten(3)).clamp(max=CLIP)
    return _normalised(clipped).flatten(1)


def _gradients(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Central differences (N, H, W) by row and column, from the channel with the largest gradient at each pixel."""
    import torch

    rows, columns = torch.zeros_like(images), torch.zeros_like(images)
    rows[..., 1:-1, :] = images[..., 2:, :] - images[..., :-2, :]
    columns[..., 1:-1] = images[..., 2:] - images[..., :-2]
    if images.shape[1] == 1:
        return rows[:, 0], columns[:, 0]
    strongest = torch.hypot(rows, columns).argmax(1, keepdim=True)
    return rows.gather(1, strongest)[:, 0], columns.gather(1, strongest)[:, 0]


def _histograms(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Mean gradient magnitude per cell and orientation (N, H // 8, W // 8, 9)."""
    import torch

    high, across = rows.shape[1] // CELL, rows.shape[2] // CELL
    rows, columns = (side[:, : high * CELL, : across * CELL] for side in (rows, columns))
    magnitude = torch.hypot(rows, columns)
    degrees = torch.rad2deg(torch.atan2(rows, columns)).remainder_(180)
    orientation = (degrees / (180 / ORIENTATIONS)).floor_()

    def mean(votes: torch.Tensor) -> torch.Tensor:
        return votes.view(-1, high, CELL, across, CELL).mean((2, 4))

    return torch.stack([mean(magnitude * (orientation == one)) for one in range(ORIENTATIONS)], dim=-1)


def _normalised(blocks: torch.Tensor) -> torch.Tensor:
    return blocks / (blocks.square().sum(-1, keepdim=True) + EPSILON**2).sqrt()
