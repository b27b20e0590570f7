"""JPEG compression."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from leakboard.api import Defense, Unsupported

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

    from leakboard.api import Noise


@dataclass(frozen=True, kw_only=True)
class Jpeg(Defense):
    """JPEG compression at ``quality`` 1 (coarse) to 100, colour at half resolution; grey or RGB images.

    Images are rounded to 8 bits first. They are coded on the processor whatever the device, so results agree.
    """

    name: ClassVar[str] = "jpeg"
    quality: Annotated[int, Field(ge=1, le=100)] = 75

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:  # noqa: ARG002 - the contract's signature
        """(N, C, H, W) in [0, 1] to the same, in steps of 1/255.

        Raises:
            Unsupported: if the images have neither 1 nor 3 channels.
        """
        import torch

        channels = images.shape[1]
        if channels not in {1, 3}:
            raise Unsupported(f"jpeg codes grey or RGB images, not {channels} channels")
        pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        for row, image in enumerate(pixels):
            pixels[row] = _recoded(image, self.quality)
        coded = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
        return coded.to(images.device, images.dtype) / 255


def _recoded(image: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    """Encode and decode one image (H, W, C); the codec knows no batches."""
    from PIL import Image

    buffer = BytesIO()
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    picture.save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(buffer)).reshape(image.shape)
