"""What shadow victims of one recipe said of each image, in a file of some ten kilobytes: enough to compare with."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.api import LeakboardError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from leakboard.api import Array

TABLE = Path(__file__).with_name("fashion_small_shadows.safetensors")
"""The table that ships, of the recipe ``fashion_small``."""
NUMBERS = ("mean inside", "variance inside", "mean outside", "variance outside")
"""What a table has of each image: of victims that were trained on it (inside), and of those that were not."""
DIGEST_BYTES = 16


@dataclass(frozen=True)
class ShadowTable:
    """Numbers of images, each found by its pixels, and where they come from.

    Attributes:
        images: digests of N images, as `image_digest` makes them, in rising order, which tells nothing of the images.
        numbers: `NUMBERS` of the statistic of each image (N, 4): the negative mean squared error of the predicted
            noise, its mean over draws.
        origin: what they were made of: ``recipe``, ``manifests`` (sha256 by name of the victim), ``t``, ``draws``,
            ``seed`` of the run, and ``few``, victims on a side below which a variance is one for all images.
    """

    images: tuple[bytes, ...]
    numbers: Array
    origin: Mapping[str, Any]

    def of(self, images: torch.Tensor) -> Array:
        """The numbers (N, 4) of images (N, C, H, W) in [0, 1].

        Raises:
            Unsupported: one of them is not in the table.
        """
        found = [self._places.get(image_digest(image)) for image in images.cpu()]
        places = [place for place in found if place is not None]
        if len(places) < len(found):
            recipe = self.origin["recipe"]
            raise Unsupported(
                f"{len(found) - len(places)} of {len(found)} images are not in the table of what shadow victims said: "
                f"it has the {len(self.images)} of {recipe['dataset']}, which the victims of {recipe['name']} know"
            )
        return self.numbers[places]

    @functools.cached_property
    def _places(self) -> dict[bytes, int]:
        return {image: place for place, image in enumerate(self.images)}

    def write(self, path: Path) -> None:
        """Write it as safetensors; the same table makes the same bytes."""
        from safetensors.numpy import save_file

        digests = np.frombuffer(b"".join(self.images), np.uint8).reshape(-1, DIGEST_BYTES)
        origin = json.dumps(self.origin, sort_keys=True)
        save_file({"images": digests, "numbers": np.ascontiguousarray(self.numbers)}, path, {"origin": origin})


def image_digest(image: torch.Tensor) -> bytes:
    """Of one image (C, H, W) on the processor: its shape and its pixels as float32."""
    pixels = image.float().contiguous().numpy().astype("<f4", copy=False)
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).digest()[:DIGEST_BYTES]


def read_table(path: Path) -> ShadowTable:
    """The table of a file, read once while it stays the same.

    Raises:
        LeakboardError: the file is missing or damaged.
    """
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, KeyError, ValueError) as error:
        raise LeakboardError(
            "the table of what shadow victims said cannot be read",
            where=str(path),
            expected="a file that leakboard_plugins.data.build_shadow_table wrote",
            next="install leakboard again",
        ) from error


@functools.lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> ShadowTable:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            digests, numbers = file.get_tensor("images"), file.get_tensor("numbers")
            origin = json.loads((file.metadata() or {})["origin"])
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if digests.shape != (len(numbers), DIGEST_BYTES) or numbers.shape != (len(numbers), len(NUMBERS)):
        raise ValueError(f"shapes {digests.shape} and {numbers.shape}")
    return ShadowTable(tuple(row.tobytes() for row in digests), numbers, origin)
