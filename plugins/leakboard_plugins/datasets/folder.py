"""A dataset made of two folders of image files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from leakboard.api import Dataset, LazySamples, Samples, member_digest
from leakboard_plugins.datasets.caption_tables import check_encoding
from leakboard_plugins.datasets.finding import Found, find_images, local
from leakboard_plugins.datasets.folder_captions import BESIDE, METADATA, TABLES, TEXTS, files_of, texts_of
from leakboard_plugins.datasets.image_files import Mode, decode, fitted, one_mode, one_size, to_tensor
from leakboard_plugins.datasets.metadata import as_columns
from leakboard_plugins.datasets.surveys import Surveyed, survey, whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch


class Side(NamedTuple):
    """Members or non-members: all ids, findings by id on those that can be read, and notes on the others."""

    ids: tuple[str, ...]
    images: dict[str, tuple[Path, Surveyed]]
    notes: list[str]


def _survey(found: Found, side: str, prompts: str) -> Side:
    paths = (*found.images, *found.unreadable)
    ids = tuple(f"{side}/{found.name_of(path)}" for path in paths)
    results = [*survey(found.images), *("no permission to read it" for _ in found.unreadable)]
    seen, notes = whole(ids, results, side, str(found.root))
    ends = TEXTS if prompts == BESIDE else TABLES if prompts == METADATA else ()
    notes += found.notes(f"the folder of {side}", tuple(name for name in found.others if name.endswith(ends)))
    return Side(ids, {ids[row]: (paths[row], image) for row, image in seen.items()}, notes)


@dataclass(frozen=True, kw_only=True)
class Folder(Dataset):
    """Your own images: a folder of members and a folder of non-members, any format, found recursively.

    Ids are paths relative to each folder, under ``members/`` and ``nonmembers/``. Hidden and trash folders are left
    out, and links to folders are followed; the notes of the samples say what was skipped or changed. Where every image
    lies in a folder below these, the names of the folders are the labels. Bytes, JPEG quality, width and height of each
    file are its metadata. A ``.txt`` beside each image can be its caption: ``prompts='beside'``.
    """

    name: ClassVar[str] = "folder"
    members: str
    """Folder of images that were in the training set."""
    nonmembers: str
    """Folder of images of the same distribution that were not."""
    size: Annotated[int, Field(ge=0, le=2048)] = 0
    """Side in pixels every image is cropped (centre) and resized (bicubic) to; 0 demands that all sizes agree."""
    prompts: str = ""
    """A table (CSV, JSON Lines, JSON) with ``file`` or ``file_name``, and ``caption`` or ``text`` (or ``label``);
    further columns are ignored. Or a word: ``beside``, a text file beside each image (``a.txt`` for ``a.png``);
    ``metadata``, ``metadata.csv`` or ``metadata.jsonl`` in each of the two folders; ``folders``, the names of
    folders: ``a photo of a {label}``."""
    mode: Mode = "auto"
    """``L`` or ``RGB`` for all images; ``auto`` is L when all are grey, else RGB."""
    encoding: str = "auto"
    """Text encoding of captions; ``auto`` goes by its byte order mark, and is UTF-8 without one."""
    licence: str = ""
    """What the notes say of the licence of the images."""

    def __post_init__(self) -> None:
        check_encoding(self.encoding)

    def load(self) -> Samples:
        """Members first, each side sorted by path; images float32 (N, C, H, W) in [0, 1], read when they are taken.

        Raises:
            LeakboardError: a folder is missing or holds no readable image, sizes differ while ``size`` is 0, or the
                prompts do not fit.
        """
        roots = self._roots()
        members, nonmembers = (_survey(find_images(root), side, self.prompts) for side, root in roots.items())
        ids = (*members.images, *nonmembers.images)
        paths, surveyed = zip(*members.images.values(), *nonmembers.images.values(), strict=True)
        notes = [f"licence: {self.licence or 'not stated'}", *members.notes, *nonmembers.notes]
        repeated = sum(
            count - 1
            for side in (members, nonmembers)
            for count in Counter(image.digest for _, image in side.images.values()).values()
        )
        if repeated:
            notes.append(f"{repeated} files repeat another file of the same folder")
        transparent = sum(image.transparent for image in surveyed)
        if transparent:
            notes.append(f"transparent parts of {transparent} images were made white")
        mode, mode_notes = one_mode([image.mode for image in surveyed], self.mode)
        size, size_notes = one_size([image.facts.size for image in surveyed], ids, self.size)
        texts = texts_of(self.prompts, self.encoding, ids, paths, roots)

        def read(rows: Sequence[int]) -> torch.Tensor:
            return to_tensor([fitted(decode(paths[row]), mode, size) for row in rows])

        return LazySamples(
            ids,
            read,
            (len(mode), size[1], size[0]),
            np.arange(len(ids)) < len(members.images),
            prompts=texts.prompts,
            labels=texts.labels,
            notes=tuple(notes + mode_notes + size_notes + texts.notes),
            metadata=as_columns(image.facts for image in surveyed),
            member_digest=member_digest(members.ids),
        )

    def files(self) -> Sequence[Path]:
        """Every image file of both folders that may be read, and the files of captions.

        Raises:
            LeakboardError: a folder is missing or holds no image, or the prompts cannot be read.
        """
        roots = self._roots().values()
        images = tuple(path for root in roots for path in find_images(root).images)
        return (*images, *files_of(self.prompts, images, tuple(roots)))

    def _roots(self) -> dict[str, Path]:
        return {"members": local(self.members), "nonmembers": local(self.nonmembers)}
