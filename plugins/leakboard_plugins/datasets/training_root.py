"""What the datasets in torchvision's layouts share: a training set below a root, split into members and the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field

from leakboard.api import Dataset, LazySamples, LeakboardError, Samples, member_digest
from leakboard_plugins.datasets.finding import listed, local, sibling
from leakboard_plugins.datasets.image_files import decode, fitted, to_tensor
from leakboard_plugins.datasets.member_lists import Listing, on_list
from leakboard_plugins.datasets.metadata import as_columns
from leakboard_plugins.datasets.splitting import half, some
from leakboard_plugins.datasets.surveys import survey, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import torch
    from PIL import Image


class Stack(NamedTuple):
    """Images (N, 3, H, W) of one size that lie in several arrays, one after the other."""

    parts: tuple[npt.NDArray[np.uint8], ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.parts[0].shape[2:]
        return height, width

    def image(self, row: int) -> npt.NDArray[np.uint8]:
        """The image (3, H, W) at a row of all."""
        number = 0
        while row >= len(self.parts[number]):
            row -= len(self.parts[number])
            number += 1
        image: npt.NDArray[np.uint8] = self.parts[number][row]
        return image


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """A whole training set as it was found, or a test set.

    Attributes:
        ids: N stable names of all images that belong to it, whether they are there or not.
        notes: source and licence.
        pixels: uint8 images, possibly mapped from a file; None when each image is a file of its own.
        paths: N image files, when ``pixels`` is None.
        gone: ids of those that are missing or may not be read.
        files: other files that the samples depend on.
        labels: N class names.
        prompts: N prompts.
        test: how many of them, the last, are of the test set.
    """

    ids: tuple[str, ...]
    notes: tuple[str, ...]
    pixels: Stack | None = None
    paths: Sequence[Path] = ()
    gone: frozenset[str] = frozenset()
    files: Sequence[Path] = ()
    labels: Sequence[str] | None = None
    prompts: Sequence[str] | None = None
    test: int = 0


def joined(first: TrainingSet, second: TrainingSet) -> TrainingSet:
    """A training set and a test set, one after the other; labels and prompts if both have them."""

    def both(one: Sequence[str] | None, other: Sequence[str] | None) -> list[str] | None:
        return None if one is None or other is None else [*one, *other]

    stacks = [each.pixels for each in (first, second) if each.pixels]
    return TrainingSet(
        ids=(*first.ids, *second.ids),
        notes=tuple(dict.fromkeys((*first.notes, *second.notes))),
        pixels=Stack(tuple(part for stack in stacks for part in stack.parts)) if stacks else None,
        paths=(*first.paths, *second.paths),
        gone=first.gone | second.gone,
        files=tuple(dict.fromkeys((*first.files, *second.files))),
        labels=both(first.labels, second.labels),
        prompts=both(first.prompts, second.prompts),
        test=len(second.ids),
    )


def absent(title: str, root: str, expected: str, next: str) -> LeakboardError:
    """The error for a dataset that is not below its root: what torchvision expects there, and where to get it."""
    folder = local(root)
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
    """List of members: an id or a row number a line, or row numbers in ``.npy`` or ``.npz`` (SecMI's lists are read as
    they are); the rest are non-members. Without one half of all are, by seed."""
    nonmembers: str = "rest"
    """``rest``, the training images that are no members; ``test``, the official test set: without a list all training
    images are members then; or the path of a list."""
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

    def test_set(self) -> TrainingSet:
        """The official test set below the root, without reading the images.

        Raises:
            LeakboardError: something is missing or damaged, or there is none.
        """
        raise LeakboardError(
            f"{self.name} has no test set", expected="nonmembers='rest', or the path of a list", where=self.root
        )

    def load(self) -> Samples:
        """In the order of the training set, images float32 (N, 3, H, W) in [0, 1], read when they are taken.

        Raises:
            LeakboardError: the root or a list is missing or damaged.
        """
        found = self._found()
        member, rows, told = self._split(found)
        notes = [*found.notes, told]
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
            metadata, original = {}, "{1}x{0} images were resized".format(*found.pixels.size)
        height, width = (self.size, self.size) if self.size or found.pixels is None else found.pixels.size
        if found.pixels is None or (height, width) != found.pixels.size:
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
        """Every file that the samples in use depend on, and the lists.

        Raises:
            LeakboardError: the root or a list is missing or damaged.
        """
        found = self._found()
        lists = [local(name) for name in (self.members, self._nonmember_list()) if name]
        images = [found.paths[row] for row in self._split(found)[1]] if found.paths else []
        return (*found.files, *lists, *images)

    def _nonmember_list(self) -> str:
        return "" if self.nonmembers in {"rest", "test"} else self.nonmembers

    def _found(self) -> TrainingSet:
        return joined(self.training_set(), self.test_set()) if self.nonmembers == "test" else self.training_set()

    def _split(self, found: TrainingSet) -> tuple[npt.NDArray[np.bool_], list[int], str]:
        """Who is a member, the rows in use, and what is to be said of both."""
        (member, used), told = self._sides(found)
        left_out = f"; {int((~used).sum()):,} images are on neither side and are not used" if not used.all() else ""
        there = [row for row in np.flatnonzero(used).tolist() if found.ids[row] not in found.gone]
        chosen = some([found.ids[row] for row in there], member[there], self.limit)
        return member, [there[place] for place in chosen], told + left_out

    def _sides(self, found: TrainingSet) -> tuple[Listing, str]:
        name = Path(self.members).name
        if self.nonmembers == "test":
            count = len(found.ids) - found.test
            training, everybody = found.ids[:count], np.ones(len(found.ids), bool)
            member = on_list(training, local(self.members)).member if self.members else everybody[:count]
            test = np.arange(len(found.ids)) >= count
            member = np.concatenate([member, ~everybody[count:]])
            how = f"those on {name}" if self.members else "all"
            told = f"members: {int(member.sum()):,} of the {count:,} training images, {how}; non-members: the "
            return Listing(member, member | test), f"{told}{int(test.sum()):,} images of the test set"
        if self.members:
            listing, how = on_list(found.ids, local(self.members)), f"those on {name}"
        elif self.nonmembers == "rest":
            listing = Listing(half(found.ids, self.split_seed), np.ones(len(found.ids), bool))
            how = f"half, by split_seed={self.split_seed}"
        else:
            listing = Listing(np.ones(len(found.ids), bool), np.ones(len(found.ids), bool))
            how = "all but the non-members"
        if self.nonmembers != "rest":
            others = on_list(found.ids, local(self.nonmembers)).member
            listing = self._without(listing, others)
            how += f"; non-members: {int(others.sum()):,}, those on {Path(self.nonmembers).name}"
        told = f"members: {int(listing.member.sum()):,} of the {len(found.ids):,} training images, {how}"
        return listing, told

    def _without(self, listing: Listing, others: npt.NDArray[np.bool_]) -> Listing:
        if not self.members:
            return Listing(~others, listing.used)
        both = listing.member & others
        if both.any():
            raise LeakboardError(
                f"{int(both.sum()):,} images are on both lists, the first is row {int(both.argmax())}",
                where=self.nonmembers,
                expected="lists that share no image",
            )
        return Listing(listing.member, listing.member | others)

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


def _at(texts: Sequence[str] | None, rows: Sequence[int]) -> tuple[str, ...] | None:
    return None if texts is None else tuple(texts[row] for row in rows)


def _image(found: TrainingSet, row: int) -> Image.Image:
    from PIL import Image

    if found.pixels is None:
        return decode(found.paths[row])
    return Image.fromarray(np.ascontiguousarray(found.pixels.image(row).transpose(1, 2, 0)))
