"""A few of the same photographs of clothes, for victims that are trained many times over: shadow victims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leakboard_plugins.datasets.fashion_mnist import FashionMnist

if TYPE_CHECKING:
    from leakboard.api import Samples

SIDE = 256
"""Members, and as many non-members."""


@dataclass(frozen=True, kw_only=True)
class FashionMnistSmall(FashionMnist):
    """Embedded: the first 256 members and the first 256 non-members of ``fashion_mnist``: a pool for shadow victims.

    Their order in ``fashion_mnist`` is that of a random permutation, so both sides are random subsets of one pool.
    Source: Xiao, Rasul, Vollgraf 2017 (arXiv 1708.07747), MIT licence.
    """

    name: ClassVar[str] = "fashion_mnist_small"

    def load(self) -> Samples:
        """Members first, then non-members.

        Raises:
            LeakboardError: the file that ships with the package is missing or damaged.
        """
        whole = super().load()
        return whole.take([row for side in (True, False) for row in np.flatnonzero(whole.member == side)[:SIDE]])
