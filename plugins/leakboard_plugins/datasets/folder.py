"""A dataset made of two folders of image files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from leakboard.api import Dataset, LazySamples, LeakboardError, Samples, member_digest
from leakboard_plugins.datasets.captions import assign_captions, check_encoding, open_captions, read_captions
from leakboard_plugins.datasets.image_files import (
    Found,
    Mode,
    decode,
    find_images,
    fitted,
    one_mode,
    one_size,
    to_tensor,
)
from leakboard_plugins.datasets.metadata import as_columns
from leakboard_plugins.datasets.surveys import Surveyed, survey, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch


class Side(NamedTuple):
    """Members or non-members: all ids, findings by id on those that can be read, and notes on the others."""

    ids: tuple[str, ...]
    images: dict[str, tuple[Path, Surveyed]]
    notes: list[str]


def _survey(found: Found, side: str) -> Side:
    paths = (*found.images, *found.unreadable)
    ids = tuple(f"{side}/{found.name_of(path)}" for path in paths)
    results = [*survey(found.images), *("no permission to read it" for _ in found.unreadable)]
    seen, notes = whole(ids, results, side, str(found.root))
    if found.others:
        notes.append(f"{found.others} files in the folder of {side} do not end like an image and were left out")
    return Side(ids, {ids[row]: (paths[row], image) for row, image in seen.items()}, notes)


def _refuse_shared(members: Side, nonmembers: Side) -> None:
    by_digest = {image.digest: name for name, (_, image) in members.images.items()}
    others = nonmembers.images.items()
    shared = [(by_digest[image.digest], name) for name, (_, image) in others if image.digest in by_digest]
    if shared:
        raise LeakboardError(
            f"{len(shared)} files are given as member and as non-member, the first is {shared[0][0]} = {shared[0][1]}",
            expected="folders that share no file",
        )


@dataclass(frozen=True, kw_only=True)
class Folder(Dataset):
    """Your own images: a folder of members and a folder of non-members, any format, found recursively.

    Ids are paths relative to each folder, under ``members/`` and ``nonmembers/``. The notes of the samples
    say what was skipped or changed. Bytes, JPEG quality, width and height of each file are its metadata.
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
        members = _survey(find_images(Path(self.members)), "members")
        nonmembers = _survey(find_images(Path(self.nonmembers)), "nonmembers")
        _refuse_shared(members, nonmembers)
        ids = (*members.images, *nonmembers.images)
        paths, surveyed = zip(*members.images.values(), *nonmembers.images.values(), strict=True)
        notes = [f"licence: {self.licence or 'not stated'}", *members.notes, *nonmembers.notes]
        repeated = sum(count - 1 for count in Counter(image.digest for image in surveyed).values())
        if repeated:
            notes.append(f"{repeated} files repeat another file of the same folder")
        transparent = sum(image.transparent for image in surveyed)
        if transparent:
            notes.append(f"transparent parts of {transparent} images were made white")
        mode, mode_notes = one_mode([image.mode for image in surveyed], self.mode)
        size, size_notes = one_size([image.facts.size for image in surveyed], ids, self.size)
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
            np.arange(len(ids)) < len(members.images),
            prompts=prompts,
            notes=tuple(notes + mode_notes + size_notes + idle_notes),
            metadata=as_columns(image.facts for image in surveyed),
            member_digest=member_digest(members.ids),
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
