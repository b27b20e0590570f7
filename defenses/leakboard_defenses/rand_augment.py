"""Random transforms of pictures, as classifiers are trained with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import At, Defense, Unsupported
from leakboard_defenses._drawing import uniform

if TYPE_CHECKING:
    import torch

    from leakboard.api import Noise


@dataclass(frozen=True, kw_only=True)
class RandAugment(Defense):
    """Transforms drawn at random: shears, shifts, turns, brightness, contrast, solarize (arXiv 1909.13719).

    Those of torchvision, one after the other, of one strength, black where nothing is. Images are transformed on the
    processor whatever the device, so results agree.

    Attributes:
        at: where it acts; unless said otherwise on members while a victim is trained, anew each time they are shown.
        operations: transforms of each image.
        magnitude: how strong each is, of 31 levels.
    """

    name: ClassVar[str] = "rand_augment"
    at: At = "augmentation"
    operations: Annotated[int, Field(ge=1, le=14)] = 2
    magnitude: Annotated[int, Field(ge=0, le=30)] = 9

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to the same.

        Raises:
            Unsupported: if the images have neither 1 nor 3 channels.
        """
        import torch
        from torchvision.transforms import v2

        if images.shape[1] not in {1, 3}:
            raise Unsupported(f"rand_augment transforms grey or RGB images, not {images.shape[1]} channels")
        transform = v2.RandAugment(self.operations, self.magnitude)
        seeds = (uniform(images, noise) * 2**24).long().flatten().tolist()
        # torchvision draws from the generator of the process, and one transform for all that it is given
        with torch.random.fork_rng(devices=[]):
            varied = []
            for image, seed in zip(images.cpu(), seeds, strict=True):
                torch.default_generator.manual_seed(seed)
                varied.append(transform(image))
        return torch.stack(varied).to(images.device).clamp_(0, 1)
