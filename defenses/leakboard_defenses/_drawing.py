"""Uniform numbers out of the normal noise that a defense is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from leakboard.api import Noise

MOST = 1 - 2**-24
"""The largest number of float32 below 1."""


def uniform(images: torch.Tensor, noise: Noise, count: int = 1) -> torch.Tensor:
    """Independent uniform numbers (N, count) in [0, 1), each row of the noise of its image."""
    import torch

    drawn: torch.Tensor = torch.special.ndtr(noise(images.new_empty((len(images), count))))
    return drawn.clamp(max=MOST)
