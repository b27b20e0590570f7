"""Images on their way to an API and back: PNG out, and whatever it sends back in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError
from leakboard_plugins.victims.api.calls import Again, unexpected

if TYPE_CHECKING:
    import torch


def png(image: torch.Tensor) -> tuple[bytes, str]:
    """An image (3, H, W) in [0, 1] as a PNG of 8 bits, and the digest of its pixels.

    The digest tells questions apart, for the same pixels may be compressed in several ways.
    """
    from PIL import Image

    pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    digest = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
    return file.getvalue(), digest


def unpacked(payload: bytes, size: int, where: str) -> torch.Tensor:
    """An image file as (3, size, size) in [0, 1].

    Raises:
        Again: it is not whole.
        LeakboardError: it is of another size.
    """
    import numpy as np
    import torch
    from PIL import Image

    try:
        with Image.open(io.BytesIO(payload)) as opened:
            if opened.size != (size, size):
                raise LeakboardError(
                    f"the API answered with {opened.width}x{opened.height} pixels where {size}x{size} were asked",
                    where=where,
                    expected=f"images of {size}x{size}",
                    next="give the size that it makes as size=..., and fit='resize' where the dataset has another",
                )
            pixels = np.asarray(opened.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise Again(f"{where} answered with an image that is not whole ({error})") from None
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255


def from_base64(text: Any, where: str) -> bytes:
    """An image file that JSON held, with or without ``data:image/png;base64,`` before it.

    Raises:
        Again: it is not whole.
        LeakboardError: it is no text.
    """
    if not isinstance(text, str):
        raise unexpected(where, "an image in base64")
    try:
        return base64.b64decode(text.rpartition(",")[2], validate=True)
    except binascii.Error:
        raise Again(f"{where} answered with an image that is not whole (base64)") from None


def to_base64(image: bytes) -> str:
    """An image file for JSON."""
    return base64.b64encode(image).decode("ascii")
