"""Numbers about image files that may tell members from others without the image: size, JPEG quality."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt
    from PIL import Image

# fmt: off
LUMINANCE = np.array([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
])
"""The luminance table of the JPEG standard (ITU-T T.81, table K.1), which the IJG library scales by its quality."""
# fmt: on
ORIENTATION, LYING = 0x0112, range(5, 9)


class FileFacts(NamedTuple):
    """A file as it came: its bytes, estimated JPEG quality (nan for other formats), upright size, mode."""

    bytes: float
    jpeg_quality: float
    width: float
    height: float
    mode: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return int(self.width), int(self.height)


def facts_of(opened: Image.Image, size: int) -> FileFacts:
    """The facts of a file of ``size`` bytes, from its header alone."""
    width, height = opened.size
    if opened.getexif().get(ORIENTATION) in LYING:
        width, height = height, width
    return FileFacts(size, jpeg_quality(getattr(opened, "quantization", None)), width, height, opened.mode)


def jpeg_quality(tables: Mapping[int, Sequence[int]] | None) -> float:
    """The IJG quality, 1 to 100, whose luminance table is nearest in sum to that of the file; nan without tables.

    Exact for files that the IJG library and its descendants wrote, an estimate for encoders with tables of their own.
    """
    if not tables:
        return math.nan
    return float(1 + np.abs(_scaled_sums() - sum(tables[min(tables)])).argmin())


@functools.cache
def _scaled_sums() -> npt.NDArray[np.int64]:
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    sums: npt.NDArray[np.int64] = ((LUMINANCE * scale[:, None] + 50) // 100).clip(1, 255).sum(1)
    return sums


def as_columns(facts: Iterable[FileFacts]) -> dict[str, npt.NDArray[np.float64]]:
    """Metadata of samples (N,) by name: bytes, jpeg_quality, width, height."""
    rows = np.array([each[:4] for each in facts], np.float64).reshape(-1, 4)
    return dict(zip(FileFacts._fields, rows.T, strict=False))
