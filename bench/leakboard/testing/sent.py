"""What an attacker may send: every question that takes images, and every way to have made them of the originals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

    from leakboard.api import Oracle


def _cropped(images: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import interpolate

    return interpolate(images[..., 1:-1, 1:-1], images.shape[-2:], mode="bilinear")


def _one_of_many(images: torch.Tensor) -> torch.Tensor:
    changed = images * 0.9
    changed[0] = images[0]
    return changed


MADE: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "equal": lambda images: images,
    "scaled": lambda images: images * (1 - 1e-6),
    "mirrored": lambda images: images.flip(-1),
    "cropped": _cropped,
    "one of many": _one_of_many,
}
"""Images (N, C, H, W) to what is sent in their place: all alike, or one as it is among others that are not."""

QUESTIONS: Mapping[str, Callable[[Oracle, torch.Tensor], Any]] = {
    "encode": lambda oracle, images: oracle.encode(images),
    "reconstruct": lambda oracle, images: oracle.reconstruct(images, 0.5, 2).output(),
}
"""Every question of an oracle that takes images, with what else it needs."""
