"""CelebA from its official files below a root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import LeakboardError
from leakboard_plugins.datasets.finding import local
from leakboard_plugins.datasets.training_root import TrainingRoot, TrainingSet, absent

if TYPE_CHECKING:
    from collections.abc import Sequence

TRAIN, TEST = "0", "2"
LICENCE = "CelebA (Liu, Luo, Wang, Tang 2015), for non-commercial research only"
ATTRIBUTES = "the official list: a count, a line of attributes, then a line of 1 and -1 an image"
ANEW = "copy the list anew, or take it away to do without prompts"


def _id(name: str, split: str) -> str:
    return f"celeba-{'train' if split == TRAIN else 'test'}-{Path(name).stem}"


def _rows(file: Path) -> list[list[str]]:
    """The words of every line."""
    try:
        return [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise LeakboardError(
            f"a list of CelebA cannot be read: {error}", where=str(file), expected="the official text file"
        ) from error


def _captions(file: Path, names: Sequence[str]) -> dict[str, str]:
    """What a face has, by file name: ``a photo of a face: smiling, wavy hair``.

    Raises:
        LeakboardError: the list is cut short or damaged, or has no line for one of the names.
    """

    def wrong(what: str) -> LeakboardError:
        return LeakboardError(what, where=str(file), expected=ATTRIBUTES, next=ANEW)

    rows = _rows(file)
    if len(rows) < 3:
        raise wrong(f"the list of attributes ends after line {len(rows)}")
    words = [attribute.replace("_", " ").lower() for attribute in rows[1]]
    captions = {}
    for name, *flags in rows[2:]:
        if len(flags) != len(words):
            raise wrong(f"{name} has {len(flags)} flags for {len(words)} attributes")
        has = [word for word, flag in zip(words, flags, strict=True) if flag == "1"]
        captions[name] = "a photo of a face" + (": " + ", ".join(has) if has else "")
    without = [name for name in names if name not in captions]
    if without:
        raise wrong(f"{len(without)} images have no attributes, the first is {without[0]}")
    return captions


@dataclass(frozen=True, kw_only=True)
class CelebA(TrainingRoot):
    """CelebA faces from a local folder: aligned, cropped to a square; half of its 162,770 training images are members.

    The root holds ``celeba/`` with the folder ``img_align_celeba/`` and ``list_eval_partition.txt``, as torchvision
    lays it out; with ``list_attr_celeba.txt`` beside them the attributes make prompts (``a photo of a face: smiling,
    wavy hair``). Ids are ``celeba-train-000001`` and so on, the number of the file. Every image in use is decoded
    once to see whether it is whole, so a ``limit`` saves time. Source: Liu, Luo, Wang, Tang 2015, Deep Learning Face
    Attributes in the Wild.
    """

    name: ClassVar[str] = "celeba"
    size: Annotated[int, Field(gt=0, le=4096)] = 64
    """Side in pixels every image is cropped (centre) and resized (bicubic) to."""

    def training_set(self) -> TrainingSet:
        """All training images, and which are not there.

        Raises:
            LeakboardError: a list is missing or damaged, or there are no images.
        """
        return self._read(TRAIN)

    def test_set(self) -> TrainingSet:
        """The 19,962 images of the official test set; the validation set is on neither side.

        Raises:
            LeakboardError: a list is missing or damaged, or there are no images.
        """
        return self._read(TEST)

    def _read(self, split: str) -> TrainingSet:
        folder = local(self.root) / "celeba"
        images, partition, attributes = (
            folder / name for name in ("img_align_celeba", "list_eval_partition.txt", "list_attr_celeba.txt")
        )
        names = [row[0] for row in _rows(partition) if row[1:] == [split]] if partition.is_file() else []
        there = [name for name in names if os.access(images / name, os.R_OK)]
        if not there:
            raise absent(
                "CelebA",
                self.root,
                "celeba/ with img_align_celeba/ (000001.jpg and so on) and list_eval_partition.txt in that folder",
                "unpack img_align_celeba.zip and copy the list there, from the project page of CelebA",
            )
        captions = _captions(attributes, there) if attributes.is_file() else {}
        return TrainingSet(
            ids=tuple(_id(name, split) for name in names),
            notes=(LICENCE,),
            paths=[images / name for name in names],
            gone=frozenset(_id(name, split) for name in set(names) - set(there)),
            files=[partition, attributes] if captions else [partition],
            prompts=[captions.get(name, "") for name in names] if captions else None,
        )
