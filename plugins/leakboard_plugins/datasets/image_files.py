"""Image files of any format and mode, brought to arrays of one mode and size."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from leakboard.api import LeakboardError
from leakboard.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from PIL import Image

Mode = Literal["auto", "L", "RGB"]
SUFFIXES = frozenset(
    ".avif .bmp .gif .jfif .jpeg .jpg .jp2 .pbm .pgm .png .pnm .ppm .tga .tif .tiff .webp".split()  # noqa: SIM905 - readable
)
GREY_MODES = frozenset({"1", "L", "LA", "La"})


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


@dataclass(frozen=True)
class Decoded:
    """One readable file: its image in mode L or RGB, and what had to be done to it."""

    image: Image.Image
    digest: str
    transparent: bool


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


def decode(path: Path) -> Decoded | str:
    """The first frame of an image file, upright; or why it cannot be read.

    Transparent parts become white. 16-bit grey is scaled to 8 bits; modes without a fixed range are refused.
    """
    from PIL import Image, ImageOps

    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with Image.open(path) as opened:
            opened.load()
            image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I;16"):
            image = Image.fromarray(np.round(np.asarray(image).astype(np.float64) / 257).astype(np.uint8))
        if image.mode in {"I", "F"}:
            return f"mode {image.mode} has no fixed range of values"
        grey = image.mode in GREY_MODES
        transparent = image.has_transparency_data
        if transparent:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return Decoded(image.convert("L" if grey else "RGB"), digest, transparent)
    except Exception as error:  # noqa: BLE001 - decoders of damaged files raise anything
        return str(error) or type(error).__name__


def reconcile_modes(images: Sequence[Image.Image], mode: Mode) -> tuple[list[Image.Image], list[str]]:
    """All images in one mode, and a note when that changed any.

    ``auto`` keeps L when all are grey and makes all RGB as soon as one has colour.
    """
    wanted = mode if mode != "auto" else "L" if all(image.mode == "L" for image in images) else "RGB"
    changed = sum(image.mode != wanted for image in images)
    if not changed:
        return list(images), []
    how = "grey images were repeated over 3 channels" if wanted == "RGB" else "colour images were turned grey"
    return [image.convert(wanted) for image in images], [f"{changed} of {len(images)} {how} (mode={mode!r})"]


def reconcile_sizes(
    images: Sequence[Image.Image], names: Sequence[str], size: int
) -> tuple[list[Image.Image], list[str]]:
    """All images in one size, and a note when that changed any.

    Args:
        images: images of any size.
        names: what to call each in an error.
        size: side of the square in pixels; 0 leaves the images alone and demands that they agree.

    Raises:
        LeakboardError: ``size`` is 0 and two images differ.
    """
    from PIL import Image, ImageOps

    if size:
        changed = sum(image.size != (size, size) for image in images)
        resized = [ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC) for image in images]
        rule = f"centre crop to a square and antialiased bicubic resize to {size}x{size}"
        return resized, [f"{changed} of {len(images)} images were resized: {rule}"] if changed else []
    first = images[0].size
    for image, name in zip(images, names, strict=True):
        if image.size != first:
            raise LeakboardError(
                f"images differ in size: {names[0]} has {first[0]}x{first[1]}, {name} {image.width}x{image.height}",
                expected="one size for all images",
                next=f"size={min(min(each.size) for each in images)}, which crops and resizes every image to a square",
            )
    return list(images), []


def to_array(images: Sequence[Image.Image]) -> npt.NDArray[np.uint8]:
    """Images of one mode and size as uint8 (N, C, H, W)."""
    stack = np.stack([np.asarray(image) for image in images])
    return stack[:, None] if stack.ndim == 3 else np.ascontiguousarray(stack.transpose(0, 3, 1, 2))
