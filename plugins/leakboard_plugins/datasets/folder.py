"""A dataset made of two folders of image files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from leakboard.api import Dataset, LeakboardError, Samples
from leakboard_plugins.datasets.captions import assign_captions, open_captions, read_captions
from leakboard_plugins.datasets.image_files import (
    Decoded,
    Found,
    Mode,
    decode,
    find_images,
    reconcile_modes,
    reconcile_sizes,
    to_array,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def _read(found: Found, side: str) -> tuple[dict[str, Decoded], list[str]]:
    """Readable images by id, and notes about everything that was left out."""
    results: dict[str, Decoded | str] = {f"{side}/{found.name_of(path)}": decode(path) for path in found.images}
    results |= {f"{side}/{found.name_of(path)}": "no permission to read it" for path in found.unreadable}
    images = {name: result for name, result in results.items() if isinstance(result, Decoded)}
    broken = [f"{name} ({result})" for name, result in results.items() if isinstance(result, str)]
    if not images:
        raise LeakboardError(
            f"none of the {len(broken)} images can be read, the first is {broken[0]}",
            where=str(found.root),
            expected="image files that can be read and decoded",
            next="put other files there, or give another folder",
        )
    notes = []
    if broken:
        notes.append(f"{len(broken)} of {len(results)} {side} skipped, they cannot be read: {', '.join(broken)}")
    if found.others:
        notes.append(f"{found.others} files in the folder of {side} do not end like an image and were left out")
    return images, notes


def _refuse_shared(members: dict[str, Decoded], nonmembers: dict[str, Decoded]) -> None:
    by_digest = {image.digest: name for name, image in members.items()}
    shared = [(by_digest[image.digest], name) for name, image in nonmembers.items() if image.digest in by_digest]
    if shared:
        raise LeakboardError(
            f"{len(shared)} files are given as member and as non-member, the first is {shared[0][0]} = {shared[0][1]}",
            expected="folders that share no file",
        )


@dataclass(frozen=True, kw_only=True)
class Folder(Dataset):
    """Your own images: a folder of members and a folder of non-members, any format, found recursively.

    Ids are paths relative to each folder, under ``members/`` and ``nonmembers/``. Whatever was skipped or changed
    is told in the notes of the samples.
    """

    name: ClassVar[str] = "folder"
    members: str
    """Folder of images that were in the training set."""
    nonmembers: str
    """Folder of images of the same distribution that were not."""
    size: Annotated[int, Field(ge=0, le=2048)] = 0
    """Side in pixels every image is cropped (centre) and resized (bicubic) to; 0 demands that all sizes agree."""
    prompts: str = ""
    """CSV file with the columns ``file`` (id, or path inside its folder) and ``caption``."""
    mode: Mode = "auto"
    """``L`` or ``RGB`` for all images; ``auto`` is L when all are grey, else RGB."""

    def load(self) -> Samples:
        """Members first, each side sorted by path; images float32 (N, C, H, W) in [0, 1].

        Raises:
            LeakboardError: a folder is missing or holds no readable image, the folders share a file, sizes differ
                while ``size`` is 0, or the prompts do not fit.
        """
        import torch

        members, member_notes = _read(find_images(Path(self.members)), "members")
        nonmembers, nonmember_notes = _read(find_images(Path(self.nonmembers)), "nonmembers")
        _refuse_shared(members, nonmembers)
        both = members | nonmembers
        ids = tuple(both)
        notes = member_notes + nonmember_notes
        repeated = sum(count - 1 for count in Counter(image.digest for image in both.values()).values())
        if repeated:
            notes.append(f"{repeated} files repeat another file of the same folder")
        transparent = sum(image.transparent for image in both.values())
        if transparent:
            notes.append(f"transparent parts of {transparent} images were made white")
        images, mode_notes = reconcile_modes([image.image for image in both.values()], self.mode)
        images, size_notes = reconcile_sizes(images, ids, self.size)
        prompts = None
        if self.prompts:
            prompts = assign_captions(read_captions(Path(self.prompts)), ids, Path(self.prompts))
        return Samples(
            ids=ids,
            images=torch.from_numpy(to_array(images)).float().div(255),
            member=np.arange(len(ids)) < len(members),
            prompts=prompts,
            notes=tuple(notes + mode_notes + size_notes),
        )

    def files(self) -> Sequence[Path]:
        """Every image file of both folders that may be read, and the prompts.

        Raises:
            LeakboardError: a folder is missing or holds no image, or the prompts cannot be read.
        """
        images = find_images(Path(self.members)).images + find_images(Path(self.nonmembers)).images
        if not self.prompts:
            return images
        open_captions(Path(self.prompts)).close()
        return (*images, Path(self.prompts))
