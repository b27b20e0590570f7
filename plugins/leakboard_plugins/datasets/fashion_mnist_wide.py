"""The same photographs of clothes with many more that no model ever saw, for claims about low false-positive rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leakboard_plugins.datasets.fashion_mnist import FashionMnist
from leakboard_plugins.datasets.shipped import DATA, MEMBER, NONMEMBER, read_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Samples


@dataclass(frozen=True, kw_only=True)
class FashionMnistWide(FashionMnist):
    """Embedded: the 1,024 members of ``fashion_mnist`` and 12,288 non-members, of which its own come first.

    Members, non-members and auxiliary images of ``fashion_mnist`` are here under the same ids, in the same order; after
    them come 11,264 further non-members of the same random permutation. No shipped model, autoencoder or auxiliary set
    has seen those. It is a dataset of its own, so that what is drawn from ``fashion_mnist`` stays what it was. Source:
    Xiao, Rasul, Vollgraf 2017 (arXiv 1708.07747), MIT licence.
    """

    name: ClassVar[str] = "fashion_mnist_wide"
    further: ClassVar[Path] = DATA / "fashion_mnist_wide.npz"
    """The non-members that ``fashion_mnist`` lacks."""

    def load(self) -> Samples:
        """Members first, then the non-members of ``fashion_mnist``, then the further ones.

        Raises:
            LeakboardError: a file that ships with the package is missing or damaged.
        """
        shared = read_arrays(self.file, self.arrays, (MEMBER, NONMEMBER))
        further = read_arrays(self.further, self.arrays, (NONMEMBER,))
        return self.samples({name: np.concatenate([shared[name], further[name]]) for name in shared})

    def files(self) -> Sequence[Path]:
        """The file of ``fashion_mnist``, and that of the further non-members."""
        return (self.file, self.further)
