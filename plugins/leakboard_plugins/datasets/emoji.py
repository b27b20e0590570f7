"""Small colour pictures with a caption each, shipped with the package: the stand-in for captioned photographs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Dataset, Samples
from leakboard_plugins.datasets.shipped import AUXILIARY, MEMBER, NONMEMBER, read_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = Path(__file__).parents[1] / "data" / "emoji.npz"
NOTES = (
    "pictures of Noto Color Emoji (copyright 2013 Google Inc.), SIL Open Font License 1.1; captions are Unicode names",
    "near-duplicates (skin tones, genders, clock faces, and whatever looks alike) were removed before the split",
)


def _read(*splits: int) -> Samples:
    import torch

    arrays = read_arrays(FILE, ("images", "captions", "ids"), splits)
    return Samples(
        ids=tuple(arrays["ids"].tolist()),
        images=torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2).float().div(255).contiguous(),
        member=arrays["split"] == MEMBER,
        prompts=tuple(arrays["captions"].tolist()),
        notes=NOTES,
    )


@dataclass(frozen=True, kw_only=True)
class Emoji(Dataset):
    """Embedded: 512 members and 512 non-members of Noto Color Emoji, colour 32x32 on white, with captions.

    Members and non-members are a random split of one pool. The caption of a picture is its Unicode name ("cherry
    blossom"), its id the code points. Pictures: Noto Color Emoji, SIL Open Font License 1.1; names: Unicode data.
    """

    name: ClassVar[str] = "emoji"

    def load(self) -> Samples:
        """Members first, images float32 (1024, 3, 32, 32) in [0, 1], prompts the captions.

        Raises:
            LeakboardError: the file that ships with the package is missing or damaged.
        """
        return _read(MEMBER, NONMEMBER)

    def auxiliary(self) -> Samples:
        """The rest of the pool (about 500 pictures), to train helper networks on.

        Raises:
            LeakboardError: the file that ships with the package is missing or damaged.
        """
        return _read(AUXILIARY)

    def files(self) -> Sequence[Path]:
        """The one file that holds the pictures."""
        return (FILE,)
