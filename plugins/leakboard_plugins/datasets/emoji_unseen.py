"""Emoji with captions that no shipped model ever saw, for whoever goes on training one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leakboard.api import Unsupported
from leakboard_plugins.datasets.emoji import Emoji
from leakboard_plugins.datasets.shipped import MEMBER, NONMEMBER, read_arrays

if TYPE_CHECKING:
    from leakboard.api import Samples

MEMBERS = 256


@dataclass(frozen=True, kw_only=True)
class EmojiUnseen(Emoji):
    """Embedded: the 512 non-members of ``emoji``, of which the first 256 are members here, each with its own caption.

    For what is trained further: an adapter that learns these members on top of ``emoji_sd`` leaks them alone, for the
    base knows neither side, and its autoencoder saw the auxiliary pool only. Their order is that of a random
    permutation. Images: Noto Color Emoji, SIL Open Font License 1.1; names: Unicode data.
    """

    name: ClassVar[str] = "emoji_unseen"

    def load(self) -> Samples:
        """Members first, then non-members.

        Raises:
            LeakboardError: the file that ships with the package is missing or damaged.
        """
        arrays = read_arrays(self.file, self.arrays, (NONMEMBER,))
        arrays["split"] = np.where(np.arange(len(arrays["split"])) < MEMBERS, MEMBER, NONMEMBER)
        return self.samples(arrays)

    def auxiliary(self) -> Samples:
        """None: whoever trains further has the autoencoder of the base.

        Raises:
            Unsupported: always.
        """
        raise Unsupported(f"{self.name} has no images beside its members and non-members")
