"""Real photographs of clothes, shipped with the package: the dataset of the embedded victims."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Dataset, Samples
from leakboard_plugins.datasets.captions import photo_of
from leakboard_plugins.datasets.shipped import AUXILIARY, MEMBER, NONMEMBER, read_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def _read(*splits: int) -> Samples:
    import torch

    arrays = read_arrays(FILE, ("images", "labels", "index"), splits)
    labels = tuple(LABELS[label] for label in arrays["labels"].tolist())
    return Samples(
        ids=tuple(f"fashion-train-{place:05d}" for place in arrays["index"].tolist()),
        images=torch.from_numpy(arrays["images"]).float().div(255).unsqueeze(1),
        member=arrays["split"] == MEMBER,
        prompts=tuple(photo_of(label) for label in labels),
        notes=NOTES,
        labels=labels,
    )


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

    def auxiliary(self) -> Samples:
        """4,096 more images of the same pool, to train helper networks on.

        Raises:
            LeakboardError: the file that ships with the package is missing or damaged.
        """
        return _read(AUXILIARY)

    def files(self) -> Sequence[Path]:
        """The one file that holds the subset."""
        return (FILE,)
