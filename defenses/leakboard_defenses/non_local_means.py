"""Non-local means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from leakboard.api import Defense

if TYPE_CHECKING:
    import torch

    from leakboard.api import Noise


@dataclass(frozen=True, kw_only=True)
class NonLocalMeans(Defense):
    """Each pixel the mean of those around it whose neighbourhoods are alike (Buades et al. 2005).

    ``skimage.restoration.denoise_nl_means`` in its fast mode, one image after the other on the processor: that mode is
    an approximation of its own, which no batched form agrees with.

    Attributes:
        strength: how unlike neighbourhoods may be, as a difference of values; larger is smoother.
        patch: side of a neighbourhood in pixels.
        distance: how far away pixels are looked for.
    """

    name: ClassVar[str] = "non_local_means"
    strength: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = 0.1
    patch: Annotated[int, Field(ge=1, le=31)] = 5
    distance: Annotated[int, Field(ge=1, le=32)] = 6

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - the contract's signature
        """(N, C, H, W) in [0, 1] to the same."""
        import torch
        from skimage.restoration import denoise_nl_means

        pixels = np.empty(images.shape, np.float32)
        # of one channel, an axis of channels would come back as the first of the two others
        grey = images.shape[1] == 1
        for row, image in enumerate(images.float().cpu().numpy()):
            shown, axis = (image[0], None) if grey else (image, 0)
            pixels[row] = denoise_nl_means(shown, self.patch, self.distance, self.strength, channel_axis=axis)
        return torch.from_numpy(pixels).to(images.device, images.dtype).clamp_(0, 1)
