"""The arrays of a dataset that ships with the package."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.api import LeakboardError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

NONMEMBER, MEMBER, AUXILIARY = 0, 1, 2
"""Values of the array ``split``."""


def read_arrays(file: Path, names: tuple[str, ...], splits: tuple[int, ...]) -> dict[str, npt.NDArray[Any]]:
    """The named arrays and ``split``, at the rows of the splits in that order.

    Raises:
        LeakboardError: the file is missing or damaged.
    """
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in (*names, "split")}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise LeakboardError(
            "a dataset that ships with the package cannot be read",
            where=str(file),
            expected=f"a file with the arrays {', '.join(names)} and split",
            next="install leakboard again",
        ) from error
    rows = np.concatenate([np.flatnonzero(arrays["split"] == split) for split in splits])
    return {name: array[rows] for name, array in arrays.items()}
