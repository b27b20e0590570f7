"""Total-variation denoising."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Defense

if TYPE_CHECKING:
    import torch

    from leakboard.api import Noise

STEP = 1 / 4
"""Length of a step of the projected gradient: 1 / (2 x dimensions)."""


@dataclass(frozen=True, kw_only=True)
class TotalVariation(Defense):
    """The image with the least total variation near each channel (Rudin, Osher, Fatemi 1992; Chambolle 2004).

    Chambolle's projection, always as many steps as are asked for, so that no image's result depends on another one's.
    The same numbers as ``skimage.restoration.denoise_tv_chambolle`` with ``eps=0``.

    Attributes:
        weight: of smoothness against likeness; more is smoother.
        iterations: steps.
    """

    name: ClassVar[str] = "total_variation"
    weight: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 0.1
    iterations: Annotated[int, Field(ge=2, le=1000)] = 50

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - the contract's signature
        """(N, C, H, W) in [0, 1] to the same."""
        import torch

        across, down = torch.zeros_like(images), torch.zeros_like(images)
        smooth = images
        for _ in range(self.iterations - 1):
            right, below = torch.zeros_like(images), torch.zeros_like(images)
            right[..., :-1] = smooth.diff(dim=-1)
            below[..., :-1, :] = smooth.diff(dim=-2)
            length = (right.square() + below.square()).sqrt().mul_(STEP / self.weight).add_(1)
            across = across.sub_(right.mul_(STEP)).div_(length)
            down = down.sub_(below.mul_(STEP)).div_(length)
            smooth = images + _divergence(across, down)
        return smooth.clamp(0, 1)


def _divergence(across: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """Minus the divergence of a field, whose last column and row point nowhere."""
    found = -(across + down)
    found[..., 1:].add_(across[..., :-1])
    found[..., 1:, :].add_(down[..., :-1, :])
    return found
