"""What every distance does with the two tensors of a pair."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from leakboard.api import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from leakboard.api import Pair

CHUNK = 2**17
"""Elements worked on at once: what the intermediate tensors of a chunk take still fits a processor cache."""


def operands(pair: Pair) -> tuple[torch.Tensor, torch.Tensor]:
    """Reference and observation of one shape (N, ...), at least in float32.

    Raises:
        Unsupported: if the two differ in shape.
    """
    import torch

    if pair.reference.shape != pair.observation.shape:
        shapes = f"{tuple(pair.reference.shape)} and {tuple(pair.observation.shape)}"
        raise Unsupported(f"the pair '{pair.label}' holds tensors of different shapes, {shapes}")
    dtype = torch.promote_types(pair.reference.dtype, torch.float32)
    return pair.reference.to(dtype), pair.observation.to(dtype)


def image_operands(pair: Pair) -> tuple[torch.Tensor, torch.Tensor]:
    """Reference and observation as images (N, C, H, W).

    Raises:
        Unsupported: if they are no images, or differ in shape.
    """
    reference, observation = operands(pair)
    if reference.ndim != 4:
        raise Unsupported(f"the pair '{pair.label}' holds no images (N, C, H, W), but {tuple(reference.shape)}")
    return reference, observation


def in_chunks(
    measure: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    reference: torch.Tensor,
    observation: torch.Tensor,
    size: int = 0,
) -> torch.Tensor:
    """``measure`` of (n, ...) tensors, applied to ``size`` samples at a time (0: as many as fit) and joined to (N,)."""
    import torch

    size = size or max(1, CHUNK // max(1, math.prod(reference.shape[1:])))
    chunks = zip(torch.split(reference, size), torch.split(observation, size), strict=True)
    return torch.cat([measure(one, other) for one, other in chunks])


def wide(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in float64, or as it is on devices that have no float64."""
    return tensor if tensor.device.type == "mps" else tensor.double()
