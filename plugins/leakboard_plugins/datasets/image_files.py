"""Image files of any format and mode: decoded, and brought to one mode and size."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np

from leakboard.api import LeakboardError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import torch
    from PIL import Image

Mode = Literal["auto", "L", "RGB"]
GREY_MODES = frozenset({"1", "L", "LA", "La"})


def upright(opened: Image.Image) -> Image.Image:
    """The first frame, turned as its camera says, in mode L or RGB.

    Transparent parts become white. 16-bit grey is scaled to 8 bits.

    Raises:
        ValueError: the mode has no fixed range of values.
    """
    from PIL import Image, ImageOps

    opened.load()
    image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I;16"):
        image = Image.fromarray(np.round(np.asarray(image).astype(np.float64) / 257).astype(np.uint8))
    if image.mode in {"I", "F"}:
        raise ValueError(f"mode {image.mode} has no fixed range of values")
    mode = grey_or_colour(image.mode)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def grey_or_colour(mode: str) -> Literal["L", "RGB"]:
    """What a file of a Pillow mode becomes."""
    return "L" if mode in GREY_MODES or mode.startswith("I;16") else "RGB"


@contextlib.contextmanager
def remarks() -> Iterator[list[str]]:
    """Inside, what Pillow remarks on a file (metadata that it cannot read, say) is gathered and not printed."""
    told: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield told
    told += [" ".join(str(each.message).split()) for each in caught]


def decode(source: Path | bytes, name: str = "") -> Image.Image:
    """The image of a file, or of a file's content, that was whole when it was checked.

    Raises:
        LeakboardError: it cannot be decoded.
    """
    from PIL import Image

    try:
        with remarks(), Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
            return upright(opened)
    except Exception as error:
        raise LeakboardError(
            f"an image cannot be decoded: {str(error) or type(error).__name__}",
            where=name or str(source),
            expected="a whole image file",
            next="replace the file, or take it away: a dataset does without",
        ) from error


def one_mode(modes: Sequence[str], mode: Mode) -> tuple[Literal["L", "RGB"], list[str]]:
    """The mode that all images get, and a note when that changes any.

    ``auto`` keeps L when all are grey and makes all RGB as soon as one has colour.
    """
    wanted: Literal["L", "RGB"] = mode if mode != "auto" else "L" if all(each == "L" for each in modes) else "RGB"
    changed = sum(each != wanted for each in modes)
    if not changed:
        return wanted, []
    how = "grey images were repeated over 3 channels" if wanted == "RGB" else "colour images were turned grey"
    return wanted, [f"{changed} of {len(modes)} {how} (mode={mode!r})"]


def one_size(sizes: Sequence[tuple[int, int]], names: Sequence[str], size: int) -> tuple[tuple[int, int], list[str]]:
    """The (width, height) that all images get, and a note when that changes any.

    Args:
        sizes: width and height of each image.
        names: what to call each in an error.
        size: side of the square in pixels; 0 leaves the images alone and demands that they agree.

    Raises:
        LeakboardError: ``size`` is 0 and two images differ.
    """
    if size:
        changed = sum(each != (size, size) for each in sizes)
        rule = f"centre crop to a square and antialiased bicubic resize to {size}x{size}"
        return (size, size), [f"{changed} of {len(sizes)} images were resized: {rule}"] if changed else []
    first = sizes[0]
    for (width, height), name in zip(sizes, names, strict=True):
        if (width, height) != first:
            raise LeakboardError(
                f"images differ in size: {names[0]} has {first[0]}x{first[1]}, {name} {width}x{height}",
                expected="one size for all images",
                next=f"size={min(map(min, sizes))}, which crops and resizes every image to a square",
            )
    return first, []


def fitted(image: Image.Image, mode: str, size: tuple[int, int]) -> Image.Image:
    """An image in the mode and size that `one_mode` and `one_size` chose."""
    from PIL import Image, ImageOps

    image = image.convert(mode)
    return image if image.size == size else ImageOps.fit(image, size, Image.Resampling.BICUBIC)


def to_tensor(images: Sequence[Image.Image]) -> torch.Tensor:
    """Images of one mode and size as float32 (N, C, H, W) in [0, 1]."""
    import torch

    stack = torch.from_numpy(np.stack([np.asarray(image) for image in images]))
    return (stack[:, None] if stack.ndim == 3 else stack.permute(0, 3, 1, 2)).float().div(255).contiguous()
