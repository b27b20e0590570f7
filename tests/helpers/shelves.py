"""Folders that hold the images of the dataset in tests/plugins/shelf.py, and grids of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.tiny_grids import tiny

if TYPE_CHECKING:
    from leakboard.grid.grid import Grid

SHELF = Path(__file__).parents[1] / "plugins" / "shelf.py"


def fill(folder: Path, seed: int = 0, count: int = 24) -> Path:
    """Make a folder with images."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", np.random.default_rng(seed).random((count, 1, 8, 8)))
    return folder


def shelf(*datasets: str, **tables: Any) -> Grid:
    """A grid of some of these datasets, given by their specs."""
    return tiny(dataset=list(datasets), plugins=[SHELF], **tables)
