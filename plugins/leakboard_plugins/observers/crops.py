"""PFAMI: the loss of an image against the loss of its crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Need, Observer, Oracle, Pair, Space
from leakboard_plugins.observers.diffusion import Timesteps, noised

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

Share = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True, kw_only=True)
class Crops(Observer):
    """Denoising loss of an image and of its centre crops, enlarged again (Fu et al. 2023, arXiv 2308.12143).

    The classifier ``fluctuation`` makes the paper's statistic of these pairs. The paper crops to ten shares from .95
    to .7; its released statistic takes the sixth of them alone.

    Attributes:
        ts: timesteps.
        shares: of a side that the crops keep.
    """

    name: ClassVar[str] = "crops"
    access = "gray"
    space: ClassVar[Space] = "noise"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise"})
    ts: Timesteps = (0, 50, 100, 150, 200, 250, 300, 350, 400, 450)
    shares: tuple[Share, ...] = (0.8111,)

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """At every timestep the image (``plain``) and then its crops; fresh noise for each, one evaluation each."""
        shown = {"plain": oracle.originals} | {
            f"crop {share}": cropped(oracle.originals, share) for share in self.shares
        }
        inner = {kind: oracle.encode(images) for kind, images in shown.items()}
        for t in self.ts:
            for kind, clean in inner.items():
                noise = oracle.noise(f"crops {kind}", clean, t)
                yield Pair(noise, oracle.predict_noise(noised(oracle, clean, noise, t), t), f"t={t} {kind}", "noise")


def cropped(images: torch.Tensor, share: float) -> torch.Tensor:
    """The middle of images (N, C, H, W), ``share`` of a side, enlarged bilinearly to their size, in [0, 1].

    Sides are cut down to whole pixels, as ``attack_model_PFAMI.py`` of the released code has it.
    """
    from torchvision.transforms.v2.functional import center_crop, resize

    size = list(images.shape[-2:])
    enlarged: torch.Tensor = resize(center_crop(images, [max(1, int(share * side)) for side in size]), size)
    return enlarged.clamp(0, 1)
