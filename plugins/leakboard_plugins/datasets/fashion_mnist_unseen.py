"""Photographs of clothes that no shipped model ever saw, for whoever goes on training one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leakboard.api import Samples, Unsupported
from leakboard_plugins.datasets.fashion_mnist import FashionMnist
from leakboard_plugins.datasets.shipped import DATA, MEMBER, NONMEMBER, read_arrays

if TYPE_CHECKING:
    from pathlib import Path

MEMBERS, NONMEMBERS = 256, 1024


@dataclass(frozen=True, kw_only=True)
class FashionMnistUnseen(FashionMnist):
    """Embedded: 256 members and 1,024 non-members of Fashion-MNIST that no shipped model, autoencoder or pool has seen.

    For what is trained further: an adapter that learns these members on top of ``fashion_sd`` leaks them alone, for the
    base knows neither side. They are the first of the further non-members of ``fashion_mnist_wide``, in the order of
    its random permutation and under the same ids. Source: Xiao, Rasul, Vollgraf 2017 (arXiv 1708.07747), MIT licence.
    """

    name: ClassVar[str] = "fashion_mnist_unseen"
    file: ClassVar[Path] = DATA / "fashion_mnist_wide.npz"

    def load(self) -> Samples:
        """Members first, then non-members.

        Raises:
            LeakboardError: the file that ships with the package is missing or damaged.
        """
        arrays = read_arrays(self.file, self.arrays, (NONMEMBER,))
        used = {name: array[: MEMBERS + NONMEMBERS] for name, array in arrays.items()}
        used["split"] = np.where(np.arange(len(used["split"])) < MEMBERS, MEMBER, NONMEMBER)
        return self.samples(used)

    def auxiliary(self) -> Samples:
        """None: whoever trains further has the autoencoder of the base.

        Raises:
            Unsupported: always.
        """
        raise Unsupported(f"{self.name} has no images beside its members and non-members")
