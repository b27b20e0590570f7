"""The pixel diffusion models that ship with the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leakboard_plugins.victims.pixel.shipped import ShippedPixel


@dataclass(frozen=True, kw_only=True)
class FashionDdpm(ShippedPixel):
    """Embedded: a 0.6 M parameter DDPM trained on exactly the members of ``fashion_mnist``.

    The levels are checkpoints of one training run that differ in the number of epochs alone, which governs how much
    the model leaks; ``untrained`` has the random weights the run started from and serves as a null check. Made by
    ``leakboard train fashion_ddpm``; each folder opens with diffusers' ``DDPMPipeline.from_pretrained``.
    """

    name: ClassVar[str] = "fashion_ddpm"
