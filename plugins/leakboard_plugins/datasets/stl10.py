"""STL-10 from its official binary archive, unpacked below a root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from leakboard.api import LeakboardError
from leakboard_plugins.datasets.captions import photo_of
from leakboard_plugins.datasets.finding import local
from leakboard_plugins.datasets.training_root import Stack, TrainingRoot, TrainingSet, absent

if TYPE_CHECKING:
    from pathlib import Path

FOLDER, ARCHIVE = "stl10_binary", "stl10_binary.tar.gz"
SIDE = 96


@dataclass(frozen=True, kw_only=True)
class Stl10(TrainingRoot):
    """STL-10 from a local folder: colour 96x96, half of its training or of its unlabelled images are members.

    The root holds ``stl10_binary/`` with ``train_X.bin``, ``train_y.bin`` and ``class_names.txt`` for ``train``
    (5,000 images, prompts ``a photo of a {label}``), ``unlabeled_X.bin`` for ``unlabeled`` (100,000 images, no
    prompts). Images stay on disk until they are taken. Ids are ``stl10-train-00000`` or ``stl10-unlabeled-00000`` and
    so on in file order. Source: Coates, Lee, Ng 2011, An Analysis of Single Layer Networks in Unsupervised Feature
    Learning.
    """

    name: ClassVar[str] = "stl10"
    split: Literal["train", "unlabeled"] = "train"
    """Which of its training sets."""

    def training_set(self) -> TrainingSet:
        """All images of the split, mapped from their file.

        Raises:
            LeakboardError: a file is missing or damaged.
        """
        return self._read(self.split)

    def test_set(self) -> TrainingSet:
        """The 8,000 images of the official test set.

        Raises:
            LeakboardError: a file is missing or damaged.
        """
        return self._read("test")

    def _read(self, split: str) -> TrainingSet:
        folder = local(self.root) / FOLDER
        labelled = () if split == "unlabeled" else (f"{split}_y.bin", "class_names.txt")
        files = [folder / name for name in (f"{split}_X.bin", *labelled)]
        missing = [file.name for file in files if not file.is_file()]
        if missing:
            raise absent(
                "STL-10",
                self.root,
                f"{FOLDER}/ with {', '.join(file.name for file in files)} in that folder",
                f"unpack {ARCHIVE} from https://cs.stanford.edu/~acoates/stl10 there",
            )
        try:
            # the file holds each channel column by column
            pixels = np.memmap(files[0], np.uint8, "r").reshape(-1, 3, SIDE, SIDE).transpose(0, 1, 3, 2)
            labels = self._labels(files[1], files[2], len(pixels)) if labelled else None
        except (OSError, ValueError, IndexError) as error:
            raise LeakboardError(
                f"STL-10 cannot be read: {error}",
                where=str(folder),
                expected="whole images of 27,648 bytes, and one label an image from 1 to the number of class names",
                next=f"unpack {ARCHIVE} again",
            ) from error
        return TrainingSet(
            ids=tuple(f"stl10-{split}-{row:05d}" for row in range(len(pixels))),
            notes=("STL-10 (Coates, Lee, Ng 2011), photographs out of ImageNet; its authors state no licence",),
            pixels=Stack((pixels,)),
            files=files,
            labels=labels,
            prompts=None if labels is None else [photo_of(label) for label in labels],
        )

    @staticmethod
    def _labels(numbers: Path, names: Path, count: int) -> list[str]:
        known = names.read_text(encoding="utf-8").split()
        places = np.fromfile(numbers, np.uint8)
        if len(places) != count or not places.all():
            raise ValueError(f"{len(places)} labels for {count} images, or one below 1")
        return [known[place - 1] for place in places.tolist()]
