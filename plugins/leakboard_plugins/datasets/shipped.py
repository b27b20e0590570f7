"""What the datasets that ship with the package share: one file of arrays, split into members and the rest."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from leakboard.api import Dataset, LeakboardError, Samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

DATA = Path(__file__).parents[1] / "data"
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


@dataclass(frozen=True, kw_only=True)
class Shipped(Dataset):
    """Base of datasets that ship with the package: a subclass names its file and says how arrays become samples."""

    file: ClassVar[Path]
    arrays: ClassVar[tuple[str, ...]]
    """The arrays of the file beside ``split``."""

    def samples(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Samples:
        """The samples of some rows of the arrays."""
        raise NotImplementedError

    def load(self) -> Samples:
        """Members first, then non-members.

        Raises:
            LeakboardError: the file that ships with the package is missing or damaged.
        """
        return self.samples(read_arrays(self.file, self.arrays, (MEMBER, NONMEMBER)))

    def auxiliary(self) -> Samples:
        """More images of the same pool, to train helper networks on.

        Raises:
            LeakboardError: the file that ships with the package is missing or damaged.
        """
        return self.samples(read_arrays(self.file, self.arrays, (AUXILIARY,)))

    def files(self) -> Sequence[Path]:
        """The one file that holds the arrays."""
        return (self.file,)
