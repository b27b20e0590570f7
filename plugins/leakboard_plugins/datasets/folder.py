"""A dataset made of two folders of image files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from leakboard.api import Dataset, LazySamples, LeakboardError, Samples
from leakboard_plugins.datasets.captions import assign_captions, check_encoding, open_captions, read_captions
from leakboard_plugins.datasets.image_files import (
    Found,
    Mode,
    Surveyed,
    decode,
    find_images,
    fitted,
    listed,
    one_mode,
    one_size,
    survey,
    to_tensor,
)
from leakboard_plugins.datasets.metadata import as_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

Readable = dict[str, tuple[Path, Surveyed]]


def _survey(found: Found, side: str) -> tuple[Readable, list[str]]:
    """Readable images by id, and notes about everything that was left out."""
    results: dict[str, tuple[Path, Surveyed | str]] = {
        f"{side}/{found.name_of(path)}": (path, survey(path)) for path in found.images
    }
    results |= {f"{side}/{found.name_of(path)}": (path, "no permission to read it") for path in found.unreadable}
    images = {name: (path, result) for name, (path, result) in results.items() if isinstance(result, Surveyed)}
    broken = [f"{name} ({result})" for name, (_, result) in results.items() if isinstance(result, str)]
    if not images:
        raise LeakboardError(
            f"none of the {len(broken)} images can be read, the first is {broken[0]}",
            where=str(found.root),
            expected="image files that can be read and decoded",
            next="put other files there, or give another folder",
        )
    notes = []
    if broken:
        notes.append(f"{len(broken)} of {len(results)} {side} skipped, they cannot be read: {listed(broken)}")
    if found.others:
        notes.append(f"{found.others} files in the folder of {side} do not end like an image and were left out")
    return images, notes


def _refuse_shared(members: Readable, nonmembers: Readable) -> None:
    by_digest = {image.digest: name for name, (_, image) in members.items()}
    shared = [(by_digest[image.digest], name) for name, (_, image) in nonmembers.items() if image.digest in by_digest]
    if shared:
        raise LeakboardError(
            f"{len(shared)} files are given as member and as non-member, the first is {shared[0][0]} = {shared[0][1]}",
            expected="folders that share no file",
        )


@dataclass(frozen=True, kw_only=True)
class Folder(Dataset):
    """Your own images: a folder of members and a folder of non-members, any format, found recursively.

    Ids are paths relative to each folder, under ``members/`` and ``nonmembers/``. Whatever was skipped or changed
    is told in the notes of the samples. Bytes, JPEG quality, width and height of each file are its metadata.
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
    encoding: str = "auto"
    """Text encoding of the CSV file; ``auto`` goes by its byte order mark, and is UTF-8 without one."""
    licence: str = ""
    """What the notes say of the licence of the images."""

    def __post_init__(self) -> None:
        check_encoding(self.encoding)

    def load(self) -> Samples:
        """Members first, each side sorted by path; images float32 (N, C, H, W) in [0, 1], read when they are taken.

        Raises:
            LeakboardError: a folder is missing or holds no readable image, the folders share a file, sizes differ
                while ``size`` is 0, or the prompts do not fit.
        """
        members, member_notes = _survey(find_images(Path(self.members)), "members")
        nonmembers, nonmember_notes = _survey(find_images(Path(self.nonmembers)), "nonmembers")
        _refuse_shared(members, nonmembers)
        ids = (*members, *nonmembers)
        paths, surveyed = zip(*members.values(), *nonmembers.values(), strict=True)
        notes = [f"licence: {self.licence or 'not stated'}", *member_notes, *nonmember_notes]
        repeated = sum(count - 1 for count in Counter(image.digest for image in surveyed).values())
        if repeated:
            notes.append(f"{repeated} files repeat another file of the same folder")
        transparent = sum(image.transparent for image in surveyed)
        if transparent:
            notes.append(f"transparent parts of {transparent} images were made white")
        mode, mode_notes = one_mode([image.mode for image in surveyed], self.mode)
        size, size_notes = one_size([image.size for image in surveyed], ids, self.size)
        prompts, idle_notes = None, list[str]()
        if self.prompts:
            captions = read_captions(Path(self.prompts), self.encoding)
            prompts, idle_notes = assign_captions(captions, ids, Path(self.prompts))

        def read(rows: Sequence[int]) -> torch.Tensor:
            return to_tensor([fitted(decode(paths[row]), mode, size) for row in rows])

        return LazySamples(
            ids,
            read,
            (len(mode), size[1], size[0]),
            np.arange(len(ids)) < len(members),
            prompts=prompts,
            notes=tuple(notes + mode_notes + size_notes + idle_notes),
            metadata=as_columns(image.facts for image in surveyed),
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
