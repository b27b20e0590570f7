"""ImageNet (ILSVRC 2012) from its training folder below a root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import LeakboardError
from leakboard_plugins.datasets.captions import photo_of
from leakboard_plugins.datasets.finding import find_images, local
from leakboard_plugins.datasets.training_root import TrainingRoot, TrainingSet, absent

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ("LOC_synset_mapping.txt", "synset_words.txt")
LICENCE = "ImageNet (Russakovsky et al. 2015), for non-commercial research and education only"


def _words(file: Path) -> dict[str, str]:
    """The first name of every class by its wnid, from lines like ``n01440764 tench, Tinca tinca``."""
    try:
        lines = [line.split(maxsplit=1) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {wnid: names.split(",")[0].strip() for wnid, names in lines}
    except (OSError, ValueError) as error:
        raise LeakboardError(
            f"the names of the classes cannot be read: {error}",
            where=str(file),
            expected="lines like: n01440764 tench, Tinca tinca",
            next="correct the file, or take it away to do without prompts",
        ) from error


@dataclass(frozen=True, kw_only=True)
class ImageNet(TrainingRoot):
    """ImageNet from a local folder: colour, cropped to a square; half of its training images are members.

    The root holds ``train/`` with a folder of images a class, named by its wnid (``train/n01440764/``), as torchvision
    lays it out; torchvision's ``meta.bin`` is not needed. With ``LOC_synset_mapping.txt`` or ``synset_words.txt`` in
    the root (lines like ``n01440764 tench, Tinca tinca``) labels are the names of the classes, and prompts are
    ``a photo of a {label}``; without one labels are wnids, and there are no prompts. Ids are
    ``imagenet-train-n01440764/n01440764_18.JPEG``. Every image in use is read, for its digest and to see whether it
    is whole, so a ``limit`` saves hours on the whole set. Source: Russakovsky et al. 2015 (arXiv 1409.0575).
    """

    name: ClassVar[str] = "imagenet"
    size: Annotated[int, Field(gt=0, le=4096)] = 256
    """Side in pixels every image is cropped (centre) and resized (bicubic) to."""

    def training_set(self) -> TrainingSet:
        """The training images that are there.

        Raises:
            LeakboardError: there are none, or a class has no name in the file of names.
        """
        return self._read("train", "ILSVRC2012_img_train.tar")

    def test_set(self) -> TrainingSet:
        """The 50,000 images of the validation set, below ``val/``: the test set has no public labels.

        Raises:
            LeakboardError: they are not there, or a class has no name in the file of names.
        """
        return self._read("val", "ILSVRC2012_img_val.tar")

    def _read(self, split: str, archive: str) -> TrainingSet:
        root = local(self.root)
        folder = root / split
        if not folder.is_dir() or not any(folder.glob("*/")):
            raise absent(
                "ImageNet",
                self.root,
                f"{split}/ with a folder of images a class ({split}/n01440764/n01440764_18.JPEG) in that folder",
                f"unpack {archive} from https://image-net.org there, the images of each class into its folder",
            )
        found = find_images(folder)
        paths = sorted((*found.images, *found.unreadable))
        names = [found.name_of(path) for path in paths]
        wnids = [name.split("/")[0] for name in names]
        mapping = next((file for word in WORDS if (file := root / word).is_file()), None)
        words = _words(mapping) if mapping else {}
        unnamed = sorted(set(wnids) - words.keys()) if mapping else []
        if unnamed:
            raise LeakboardError(
                f"{len(unnamed)} classes have no name, the first is {unnamed[0]}",
                where=str(mapping),
                expected=f"a line for every folder of {split}/",
                next="correct the file, or take it away to do without prompts",
            )
        labels = [words.get(wnid, wnid) for wnid in wnids]
        return TrainingSet(
            ids=tuple(f"imagenet-{split}-{name}" for name in names),
            notes=(LICENCE, *found.notes(f"{split}/")),
            paths=paths,
            gone=frozenset(f"imagenet-{split}-{found.name_of(path)}" for path in found.unreadable),
            files=[mapping] if mapping else [],
            labels=labels,
            prompts=[photo_of(label) for label in labels] if mapping else None,
        )
