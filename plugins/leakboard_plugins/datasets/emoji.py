"""Small colour images with a caption each, shipped with the package: the stand-in for captioned photographs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from leakboard.api import Samples
from leakboard_plugins.datasets.shipped import DATA, MEMBER, Shipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

NOTES = (
    "pictures of Noto Color Emoji (copyright 2013 Google Inc.), SIL Open Font License 1.1; captions are Unicode names",
    "near-duplicates (skin tones, genders, clock faces, and whatever looks alike) were removed before the split",
)


@dataclass(frozen=True, kw_only=True)
class Emoji(Shipped):
    """Embedded: 512 members and 512 non-members of Noto Color Emoji, colour 32x32 on white, with captions.

    Members and non-members are a random split of one pool, whose rest (about 500 images) is auxiliary. The caption
    of an image is its Unicode name ("cherry blossom"), its id the code points. Images: Noto Color Emoji, SIL Open
    Font License 1.1; names: Unicode data.
    """

    name: ClassVar[str] = "emoji"
    file = DATA / "emoji.npz"
    arrays = ("images", "captions", "ids")

    def samples(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Samples:
        """Images float32 (N, 3, 32, 32) in [0, 1], prompts the captions."""
        import torch

        return Samples(
            ids=tuple(arrays["ids"].tolist()),
            images=torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2).float().div(255).contiguous(),
            member=arrays["split"] == MEMBER,
            prompts=tuple(arrays["captions"].tolist()),
            notes=NOTES,
        )
