"""Drawings with a caption each, shipped with the package: colour, 64x64, and a thousand members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from leakboard.api import Samples
from leakboard_plugins.datasets.shipped import DATA, MEMBER, Shipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
NOTES = (
    "drawings of the Open Clip Art Library 0.18, in the public domain; captions are their titles and keywords",
    "near-duplicates were removed before the split: openclipart_copies.csv beside the data lists them",
)


@dataclass(frozen=True, kw_only=True)
class Openclipart(Shipped):
    """Embedded: 1,024 members and 1,024 non-members of the Open Clip Art Library, colour 64x64 on white, with captions.

    Members and non-members are a random split of one pool, whose rest (484 drawings) is auxiliary. The caption
    of a drawing is its title and keywords ("bat mammal animal"), its id the name of its file. Geometric shapes, flags,
    patterns, icon themes and near-duplicates were left out. Source: Open Clip Art Library 0.18, public domain.
    """

    name: ClassVar[str] = "openclipart"
    file = DATA / "openclipart.npz"
    arrays = ("images", "captions", "ids")

    def samples(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Samples:
        """Images float32 (N, 3, 64, 64) in [0, 1], prompts the captions."""
        import torch

        return Samples(
            ids=tuple(arrays["ids"].tolist()),
            images=torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2).float().div(255).contiguous(),
            member=arrays["split"] == MEMBER,
            prompts=tuple(arrays["captions"].tolist()),
            notes=NOTES,
        )
