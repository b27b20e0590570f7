"""Real photographs of clothes, shipped with the package: the dataset of the embedded victims."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leakboard.api import Dataset, LeakboardError, Samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

FILE = Path(__file__).parents[1] / "data" / "fashion_mnist.npz"
LABELS = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
NOTES = (
    "a seeded subset of the training images of Fashion-MNIST (Xiao, Rasul, Vollgraf 2017), MIT licence",
    "exact duplicates were removed before the split",
)
NONMEMBER, MEMBER, AUXILIARY = 0, 1, 2


def auxiliary_pool() -> Samples:
    """4,096 images disjoint from members and non-members, of the same distribution, to train helper networks on.

    Raises:
        LeakboardError: the file that ships with the package is missing or damaged.
    """
    return _read(AUXILIARY)


def _read(*splits: int) -> Samples:
    import torch

    try:
        with FILE.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays: dict[str, npt.NDArray[np.integer]] = {
                name: file[name] for name in ("images", "labels", "index", "split")
            }
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise LeakboardError(
            "the Fashion-MNIST subset that ships with the package cannot be read",
            where=str(FILE),
            expected="a file with the arrays images, labels, index and split",
            next="install leakboard again",
        ) from error
    rows = np.concatenate([np.flatnonzero(arrays["split"] == split) for split in splits])
    return Samples(
        ids=tuple(f"fashion-train-{place:05d}" for place in arrays["index"][rows].tolist()),
        images=torch.from_numpy(arrays["images"][rows]).float().div(255).unsqueeze(1),
        member=arrays["split"][rows] == MEMBER,
        prompts=tuple(_prompt(LABELS[label]) for label in arrays["labels"][rows].tolist()),
        notes=NOTES,
    )


def _prompt(label: str) -> str:
    article = "an" if label[0] in "aeiou" else "a"
    return f"a photo of {article} {label}"


@dataclass(frozen=True, kw_only=True)
class FashionMnist(Dataset):
    """Embedded: 1,024 members and 1,024 non-members of Fashion-MNIST, grey 28x28, with prompts.

    Members and non-members are a random split of one pool, so they share one distribution; the victims of
    ``fashion_ddpm`` were trained on exactly these members. Source: Xiao, Rasul, Vollgraf 2017 (arXiv 1708.07747),
    MIT licence.
    """

    name: ClassVar[str] = "fashion_mnist"

    def load(self) -> Samples:
        """Members first, images float32 (2048, 1, 28, 28) in [0, 1], prompts ``a photo of a {label}`` (or ``an``).

        Raises:
            LeakboardError: the file that ships with the package is missing or damaged.
        """
        return _read(MEMBER, NONMEMBER)

    def files(self) -> Sequence[Path]:
        """The one file that holds the subset."""
        return (FILE,)
