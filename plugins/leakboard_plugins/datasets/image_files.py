"""Image files of any format and mode: found, decoded, and brought to one mode and size."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from leakboard.api import LeakboardError
from leakboard.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from PIL import Image

Mode = Literal["auto", "L", "RGB"]
SUFFIXES = frozenset(
    ".avif .bmp .gif .jfif .jpeg .jpg .jp2 .pbm .pgm .png .pnm .ppm .tga .tif .tiff .webp".split()  # noqa: SIM905 - readable
)
GREY_MODES = frozenset({"1", "L", "LA", "La"})
SHOWN = 10


@dataclass(frozen=True)
class Found:
    """What a folder holds, found recursively: image files, those without read permission, how many other files."""

    root: Path
    images: tuple[Path, ...]
    unreadable: tuple[Path, ...]
    others: int

    def name_of(self, path: Path) -> str:
        """Path relative to the root with forward slashes, always valid text."""
        return os.fsencode(path.relative_to(self.root).as_posix()).decode("utf-8", "backslashreplace")


def sibling(missing: Path) -> str:
    """What lies beside a missing file or folder under a similar name, or an empty string."""
    try:
        name = nearest(missing.name, (path.name for path in missing.parent.iterdir() if path != missing))
    except (OSError, ValueError):
        return ""
    return str(missing.parent / name) if name else ""


def find_images(root: Path) -> Found:
    """All files below ``root`` with the suffix of an image format, sorted by relative path.

    Raises:
        LeakboardError: ``root`` is no folder, it or a folder below cannot be read, or it holds no image.
    """
    try:
        if not root.is_dir():
            raise LeakboardError(
                f"there is no folder {str(root)!r}",
                where=str(root),
                expected="a folder of image files",
                nearest=sibling(root),
                next="give the path of a folder; a relative one starts at the folder the command runs in",
            )
        paths = [Path(folder, name) for folder, _, names in os.walk(root, onerror=_refuse) for name in names]
        files = [path for path in paths if path.is_file()]
    except OSError as error:
        raise LeakboardError(
            f"a folder of images cannot be read: {error.strerror}",
            where=str(error.filename or root),
            expected="read permission for the folder and all below it",
        ) from error
    images = sorted(
        (path for path in files if path.suffix.lower() in SUFFIXES), key=lambda path: path.relative_to(root).as_posix()
    )
    if not images:
        raise LeakboardError(
            f"the folder {str(root)!r} holds no image",
            where=str(root),
            expected="files ending in " + ", ".join(sorted(SUFFIXES)),
            next="put image files there, or give another folder",
        )
    readable = tuple(path for path in images if os.access(path, os.R_OK))
    unreadable = tuple(path for path in images if not os.access(path, os.R_OK))
    return Found(root, readable, unreadable, len(files) - len(images))


def _refuse(error: OSError) -> None:
    raise error


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


def decode(source: Path | bytes, name: str = "") -> Image.Image:
    """The image of a file, or of a file's content, that was whole when it was checked.

    Raises:
        LeakboardError: it cannot be decoded.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
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


def listed(texts: Sequence[str]) -> str:
    """The first ten of many texts, and how many more there are."""
    return ", ".join(texts[:SHOWN]) + (f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else "")
