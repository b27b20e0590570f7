"""Traces that processing leaves in images (N, C, H, W) in float64: each gives numbers (N,) by name."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

BLOCK = 8
"""Side of a JPEG block."""


def traces(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Everything below."""
    return {**sharpness(images), **levels(images), **blocks(images)}


def sharpness(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Energy of gradients and of second differences, and the share of power in the upper half of frequencies."""
    import torch

    power = torch.fft.fft2(images).abs().square().sum(1)
    rows, columns = (torch.fft.fftfreq(side, dtype=power.dtype) for side in power.shape[-2:])
    high = (rows[:, None].square() + columns.square()).sqrt() > 0.25
    varying = power.flatten(1)[:, 1:].sum(1)
    return {
        "gradient energy": _energy(images, 1),
        "second difference energy": _energy(images, 2),
        "high-frequency share": (power * high).sum((1, 2)) / varying.clamp(min=1e-9),
    }


def levels(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """How the values lie on the 256 levels of a file: clipped, few, with holes between, or between the levels."""
    import torch

    scaled = (images * 255).flatten(1)
    nearest = scaled.round().clamp(0, 255)
    counts = torch.zeros(len(images), 256, dtype=images.dtype)
    counts.scatter_add_(1, nearest.long(), torch.ones_like(nearest))
    used = counts > 0
    level = torch.arange(256)
    inside = (level > nearest.amin(1, keepdim=True)) & (level < nearest.amax(1, keepdim=True))
    share = counts / counts.sum(1, keepdim=True)
    return {
        "black": share[:, 0],
        "nearly black": share[:, 1:4].sum(1),
        "nearly white": share[:, 252:255].sum(1),
        "white": share[:, 255],
        "distinct levels": used.double().sum(1),
        "holes between levels": (inside & ~used).sum(1) / inside.sum(1).clamp(min=1),
        "off the levels": ((scaled - nearest).abs() > 1e-2).double().mean(1),
    }


def blocks(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What JPEG leaves on its grid of 8 x 8: steps at the borders, and vanished waves inside the blocks."""
    on, off = (_vanished(images[..., start:, start:]) for start in (0, BLOCK // 2))
    return {
        "steps at block borders": _steps_at_borders(images) + _steps_at_borders(images.mT),
        "vanished waves": on,
        "vanished waves, less those off the grid": on - off,
    }


def _energy(images: torch.Tensor, order: int) -> torch.Tensor:
    energy = images.new_zeros(len(images))
    for dim in (-2, -1):
        if images.shape[dim] > order:
            energy += images.diff(order, dim).square().mean((1, 2, 3))
    return energy


def _steps_at_borders(images: torch.Tensor) -> torch.Tensor:
    """Mean step between columns at the borders of blocks, less that between other columns."""
    import torch

    if images.shape[-1] <= BLOCK:
        return images.new_zeros(len(images))
    steps = images.diff(dim=-1).abs().mean((1, 2))
    border = torch.arange(1, images.shape[-1]) % BLOCK == 0
    return steps[:, border].mean(1) - steps[:, ~border].mean(1)


def _vanished(images: torch.Tensor) -> torch.Tensor:
    """Share of cosine waves, in blocks of 8 x 8 from the upper left, that are weaker than half a level."""
    import torch

    high, across = (side // BLOCK for side in images.shape[-2:])
    if not high * across:
        return images.new_zeros(len(images))
    place = torch.arange(BLOCK, dtype=images.dtype)
    waves = torch.cos(math.pi * (2 * place + 1) * place[:, None] / (2 * BLOCK)) / 2
    waves[0] /= math.sqrt(2)
    cut = images[..., : high * BLOCK, : across * BLOCK] * 255
    tiles = cut.reshape(len(images), -1, high, BLOCK, across, BLOCK).transpose(3, 4)
    weak: torch.Tensor = (waves @ tiles @ waves.mT).abs() < 0.5
    return weak.double().flatten(1).mean(1)
