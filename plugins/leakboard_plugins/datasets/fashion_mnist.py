"""Real photographs of clothes, shipped with the package: the dataset of the embedded victims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from leakboard.api import Samples
from leakboard_plugins.datasets.captions import photo_of
from leakboard_plugins.datasets.shipped import DATA, MEMBER, Shipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

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


@dataclass(frozen=True, kw_only=True)
class FashionMnist(Shipped):
    """Embedded: 1,024 members and 1,024 non-members of Fashion-MNIST, grey 28x28, with prompts.

    Members and non-members are a random split of one pool, so they share one distribution; 4,096 more images of it are
    auxiliary. The victims of ``fashion_ddpm`` were trained on exactly these members. Source: Xiao, Rasul, Vollgraf
    2017 (arXiv 1708.07747), MIT licence.
    """

    name: ClassVar[str] = "fashion_mnist"
    file = DATA / "fashion_mnist.npz"
    arrays = ("images", "labels", "index")

    def samples(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Samples:
        """Images float32 (N, 1, 28, 28) in [0, 1], prompts ``a photo of a {label}`` (or ``an``)."""
        import torch

        labels = tuple(LABELS[label] for label in arrays["labels"].tolist())
        return Samples(
            ids=tuple(f"fashion-train-{place:05d}" for place in arrays["index"].tolist()),
            images=torch.from_numpy(arrays["images"]).float().div(255).unsqueeze(1),
            member=arrays["split"] == MEMBER,
            prompts=tuple(photo_of(label) for label in labels),
            notes=NOTES,
            labels=labels,
        )
