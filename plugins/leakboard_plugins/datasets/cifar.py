"""CIFAR-10 and CIFAR-100 from their official archives, unpacked below a root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leakboard.api import LeakboardError
from leakboard_plugins.datasets.captions import photo_of
from leakboard_plugins.datasets.finding import local
from leakboard_plugins.datasets.training_root import Stack, TrainingRoot, TrainingSet, absent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

SIDE = 32
PIXELS = 3 * SIDE * SIDE


@dataclass(frozen=True)
class Layout:
    """The files of one of the two. The label is the last of the bytes before the pixels of an image."""

    title: str
    binary: str
    batches: tuple[str, ...]
    test: str
    names: str
    label_bytes: int
    python: str
    archives: str


TEN = Layout(
    "CIFAR-10",
    "cifar-10-batches-bin",
    tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test_batch.bin",
    "batches.meta.txt",
    1,
    "cifar-10-batches-py",
    "cifar-10-binary.tar.gz (or cifar-10-python.tar.gz)",
)
HUNDRED = Layout(
    "CIFAR-100",
    "cifar-100-binary",
    ("train.bin",),
    "test.bin",
    "fine_label_names.txt",
    2,
    "cifar-100-python",
    "cifar-100-binary.tar.gz (or cifar-100-python.tar.gz)",
)


def _found(name: str, layout: Layout, root: str, train: bool) -> TrainingSet:
    folder = local(root)
    if (folder / layout.binary).is_dir():
        pixels, names, files = _binary(layout, folder / layout.binary, train)
    elif (folder / layout.python).is_dir():
        pixels, names, files = _python(layout, folder, train)
    else:
        raise absent(
            layout.title,
            root,
            f"{layout.binary}/ with {layout.batches[0]}, or {layout.python}/, in that folder",
            f"unpack {layout.archives} from https://www.cs.toronto.edu/~kriz/cifar.html there",
        )
    labels = [label.replace("_", " ") for label in names]
    return TrainingSet(
        ids=tuple(f"{name}-{'train' if train else 'test'}-{row:05d}" for row in range(len(labels))),
        notes=(f"{layout.title} (Krizhevsky 2009), photographs from the web; its authors state no licence",),
        pixels=Stack((pixels,)),
        files=files,
        labels=labels,
        prompts=[photo_of(label) for label in labels],
    )


Read = tuple["npt.NDArray[np.uint8]", "list[str]", "Sequence[Path]"]


def _binary(layout: Layout, folder: Path, train: bool) -> Read:
    """Pixels, label names and files of the binary version."""
    batches = layout.batches if train else (layout.test,)
    files = [folder / name for name in (*batches, layout.names)]
    try:
        read = [np.fromfile(file, np.uint8) for file in files[:-1]]
        names = files[-1].read_text(encoding="utf-8").split()
        rows = np.concatenate([batch.reshape(-1, layout.label_bytes + PIXELS) for batch in read])
        places = rows[:, layout.label_bytes - 1].tolist()
        labels = [names[place] for place in places]
    except (OSError, ValueError, IndexError) as error:
        raise LeakboardError(
            f"{layout.title} cannot be read: {error}",
            where=str(folder),
            expected=f"{', '.join(batches)} of whole records and {layout.names}",
            next=f"unpack {layout.archives} again",
        ) from error
    return rows[:, layout.label_bytes :].reshape(-1, 3, SIDE, SIDE), labels, files


def _python(layout: Layout, root: Path, train: bool) -> Read:
    """The same of the Python version, whose pickles torchvision opens only after their md5 proved to be right."""
    from torchvision import datasets

    kind = datasets.CIFAR10 if layout is TEN else datasets.CIFAR100
    try:
        opened = kind(str(root), train=train, download=False)
    except (RuntimeError, OSError) as error:
        raise LeakboardError(
            f"the files of {layout.title} are not the official ones, and pickles of others are not opened",
            where=str(root / layout.python),
            expected="files with the md5 sums that torchvision knows",
            next=f"unpack {layout.archives} again; the binary version holds no pickle",
        ) from error
    batches = kind.train_list if train else kind.test_list
    files = [Path(root, layout.python, name) for name, _ in (*batches, (kind.meta["filename"], ""))]
    return opened.data.transpose(0, 3, 1, 2), [opened.classes[place] for place in opened.targets], files


@dataclass(frozen=True, kw_only=True)
class Cifar10(TrainingRoot):
    """CIFAR-10 from a local folder: colour 32x32, half of its 50,000 training images are members.

    The root holds ``cifar-10-batches-bin/`` (``data_batch_1.bin`` to ``data_batch_5.bin``, ``batches.meta.txt``) or
    torchvision's ``cifar-10-batches-py/``; both have the same images in the same order. Ids are
    ``cifar10-train-00000`` and so on in that order. Prompts: ``a photo of a {label}``. Source: Krizhevsky 2009,
    Learning Multiple Layers of Features from Tiny Images.
    """

    name: ClassVar[str] = "cifar10"

    def training_set(self) -> TrainingSet:
        """All training images.

        Raises:
            LeakboardError: a file is missing or damaged.
        """
        return _found(self.name, TEN, self.root, train=True)

    def test_set(self) -> TrainingSet:
        """The 10,000 images of the official test set.

        Raises:
            LeakboardError: a file is missing or damaged.
        """
        return _found(self.name, TEN, self.root, train=False)


@dataclass(frozen=True, kw_only=True)
class Cifar100(TrainingRoot):
    """CIFAR-100 from a local folder: colour 32x32, half of its 50,000 training images are members.

    The root holds ``cifar-100-binary/`` (``train.bin``, ``fine_label_names.txt``) or torchvision's
    ``cifar-100-python/``; both have the same images in the same order. Ids are ``cifar100-train-00000`` and so on in
    that order. Prompts: ``a photo of a {fine label}``. Source: Krizhevsky 2009, Learning Multiple Layers of Features
    from Tiny Images.
    """

    name: ClassVar[str] = "cifar100"

    def training_set(self) -> TrainingSet:
        """All training images.

        Raises:
            LeakboardError: a file is missing or damaged.
        """
        return _found(self.name, HUNDRED, self.root, train=True)

    def test_set(self) -> TrainingSet:
        """The 10,000 images of the official test set.

        Raises:
            LeakboardError: a file is missing or damaged.
        """
        return _found(self.name, HUNDRED, self.root, train=False)
