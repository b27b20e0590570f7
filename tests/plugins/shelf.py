"""A dataset of one's own: images in a file that it reads, and that nobody else may see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leakboard import hookimpl
from leakboard.api import Dataset, Samples

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class Shelf(Dataset):
    """Images (N, 1, 8, 8) in ``images.npy`` below a folder, every other one a member."""

    name: ClassVar[str] = "shelf"
    root: str
    """The folder."""
    public: bool = False
    """Whether everybody may see them."""
    absolute: bool = False
    """Ids that say where it lies."""

    def load(self) -> Samples:
        import torch

        images = torch.from_numpy(np.load(self._file).astype(np.float32))
        start = str(self._file) if self.absolute else "shelf"
        names = tuple(f"{start}-{number}" for number in range(len(images)))
        return Samples(names, images, np.arange(len(images)) % 2 == 0, notes=(f"read from {self._file}",))

    def files(self) -> Sequence[Path]:
        """The one file."""
        return (self._file,)

    @property
    def _file(self) -> Path:
        return Path(self.root) / "images.npy"


@hookimpl
def leakboard_datasets() -> list[type[Dataset]]:
    """The dataset."""
    return [Shelf]
