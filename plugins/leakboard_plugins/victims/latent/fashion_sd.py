"""The text-to-image models of clothes that ship with the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leakboard.api import Fit  # noqa: TC001 - the harness reads the annotation
from leakboard_plugins.victims.latent.shipped import ShippedLatent


@dataclass(frozen=True, kw_only=True)
class FashionSd(ShippedLatent):
    """Embedded: Stable Diffusion in miniature, trained on exactly the members of ``fashion_mnist``.

    A matched pair with ``fashion_ddpm``: the same members, epochs and levels, but in latent space and with captions.
    The autoencoder saw the auxiliary pool only, so it leaks nothing by itself; text model and denoiser were trained
    jointly. Images are padded with black to the 32x32 that it takes. Made by ``leakboard train fashion_sd``; each
    folder opens with diffusers' ``StableDiffusionPipeline.from_pretrained``.
    """

    name: ClassVar[str] = "fashion_sd"
    fit: Fit = "pad"
    """How images of another size are fitted to its 32x32: padded with black, as in training."""
