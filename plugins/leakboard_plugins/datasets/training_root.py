"""What the datasets in torchvision's layouts share: a training set below a root, split into members and the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from leakboard.api import Dataset, LazySamples, LeakboardError, Samples, member_digest
from leakboard_plugins.datasets.finding import listed, sibling
from leakboard_plugins.datasets.image_files import decode, fitted, to_tensor
from leakboard_plugins.datasets.metadata import as_columns
from leakboard_plugins.datasets.splitting import half, on_list, some
from leakboard_plugins.datasets.surveys import survey, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import torch
    from PIL import Image


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """A whole training set as it was found.

    Attributes:
        ids: N stable names of all images that belong to it, whether they are there or not.
        notes: source and licence.
        pixels: uint8 (N, 3, H, W), possibly mapped from a file; None when each image is a file of its own.
        paths: N image files, when ``pixels`` is None.
        gone: ids of those that are missing or may not be read.
        files: other files that the samples depend on.
        labels: N class names.
        prompts: N prompts.
    """

    ids: tuple[str, ...]
    notes: tuple[str, ...]
    pixels: npt.NDArray[np.uint8] | None = None
    paths: Sequence[Path] = ()
    gone: frozenset[str] = frozenset()
    files: Sequence[Path] = ()
    labels: Sequence[str] | None = None
    prompts: Sequence[str] | None = None


def absent(title: str, root: str, expected: str, next: str) -> LeakboardError:
    """The error for a dataset that is not below its root: what torchvision expects there, and where to get it."""
    folder = Path(root)
    what = f"{title} is not below {root!r}" if folder.is_dir() else f"there is no folder {root!r} to find {title} in"
    return LeakboardError(
        what,
        where=root,
        expected=expected,
        nearest="" if folder.is_dir() else sibling(folder),
        next=f"{next}; nothing is downloaded by itself",
    )


@dataclass(frozen=True, kw_only=True)
class TrainingRoot(Dataset):
    """Base of datasets whose members are half of a published training set, or those that a list names."""

    root: str
    """Folder that holds the dataset as torchvision lays it out."""
    members: str = ""
    """Text file with the id of one member a line, the rest are non-members; without one half of all are, by seed."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Which half of the training set are members, when there is no list."""
    size: Annotated[int, Field(ge=0, le=4096)] = 0
    """Side in pixels every image is cropped (centre) and resized (bicubic) to; 0 leaves images as they are."""
    limit: Annotated[int, Field(ge=0)] = 0
    """Images in use, half of them members, chosen by id; 0 takes all. It changes nobody's membership."""

    def training_set(self) -> TrainingSet:
        """What lies below the root, without reading the images.

        Raises:
            LeakboardError: something is missing or damaged.
        """
        raise NotImplementedError

    def load(self) -> Samples:
        """In the order of the training set, images float32 (N, 3, H, W) in [0, 1], read when they are taken.

        Raises:
            LeakboardError: the root or the list of members is missing or damaged.
        """
        found = self.training_set()
        member, rows = self._split(found)
        notes = [*found.notes, self._told(member)]
        if found.gone:
            gone = f"{len(found.gone):,} of its {len(found.ids):,} images are not there or may not be read"
            notes.append(f"{gone}: {listed(sorted(found.gone))}")
        if self.limit:
            notes.append(f"{len(rows):,} of its {len(found.ids):,} images are in use (limit={self.limit})")
        if found.pixels is None:
            rows, metadata, seen = self._whole(found, rows)
            notes += seen
            original = "images were cropped and resized"
        else:
            metadata, original = {}, "{3}x{2} images were resized".format(*found.pixels.shape)
        height, width = (self.size, self.size) if self.size or found.pixels is None else found.pixels.shape[2:]
        if found.pixels is None or (height, width) != found.pixels.shape[2:]:
            rule = f"centre crop to a square and antialiased bicubic resize to {self.size}x{self.size}"
            notes.append(f"{original}: {rule}")

        def read(places: Sequence[int]) -> torch.Tensor:
            return to_tensor([fitted(_image(found, rows[place]), "RGB", (width, height)) for place in places])

        return LazySamples(
            tuple(found.ids[row] for row in rows),
            read,
            (3, height, width),
            member[rows],
            prompts=_at(found.prompts, rows),
            labels=_at(found.labels, rows),
            notes=tuple(notes),
            metadata=metadata,
            member_digest=member_digest([found.ids[row] for row in np.flatnonzero(member)]),
        )

    def files(self) -> Sequence[Path]:
        """Every file that the samples in use depend on, and the list of members.

        Raises:
            LeakboardError: the root or the list of members is missing or damaged.
        """
        found = self.training_set()
        listing = [Path(self.members)] if self.members else []
        images = [found.paths[row] for row in self._split(found)[1]] if found.paths else []
        return (*found.files, *listing, *images)

    def _split(self, found: TrainingSet) -> tuple[npt.NDArray[np.bool_], list[int]]:
        member = on_list(found.ids, Path(self.members)) if self.members else half(found.ids, self.split_seed)
        there = [row for row, name in enumerate(found.ids) if name not in found.gone]
        chosen = some([found.ids[row] for row in there], member[there], self.limit)
        return member, [there[place] for place in chosen]

    def _whole(
        self, found: TrainingSet, rows: list[int]
    ) -> tuple[list[int], dict[str, npt.NDArray[np.float64]], list[str]]:
        """Rows whose files can be read, what their headers say, and notes on what was skipped or changed."""
        names = [found.ids[row] for row in rows]
        seen, notes = whole(names, survey([found.paths[row] for row in rows]), "images", self.root)
        grey = sum(image.mode == "L" for image in seen.values())
        if grey:
            notes.append(f"{grey} of {len(seen)} grey images were repeated over 3 channels")
        return [rows[place] for place in seen], as_columns(image.facts for image in seen.values()), notes

    def _told(self, member: npt.NDArray[np.bool_]) -> str:
        how = f"those on {Path(self.members).name}" if self.members else f"half, by split_seed={self.split_seed}"
        return f"members: {int(member.sum()):,} of the {len(member):,} training images, {how}"


def _at(texts: Sequence[str] | None, rows: Sequence[int]) -> tuple[str, ...] | None:
    return None if texts is None else tuple(texts[row] for row in rows)


def _image(found: TrainingSet, row: int) -> Image.Image:
    from PIL import Image

    if found.pixels is None:
        return decode(found.paths[row])
    return Image.fromarray(np.ascontiguousarray(found.pixels[row].transpose(1, 2, 0)))
