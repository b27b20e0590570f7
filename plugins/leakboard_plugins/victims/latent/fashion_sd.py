"""The text-to-image models of clothes that ship with the package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from leakboard.api import Fit  # noqa: TC001 - the harness reads it
from leakboard_plugins.victims.latent.shipped import EmbeddedSd

WEIGHTS = Path(__file__).parents[1] / "weights" / "fashion_sd"


@dataclass(frozen=True, kw_only=True)
class FashionSd(EmbeddedSd):
    """Embedded: Stable Diffusion in miniature, trained on exactly the members of ``fashion_mnist``.

    A matched pair with ``fashion_ddpm``: the same members, epochs and levels, but in latent space and told captions.
    The autoencoder saw the auxiliary pool only, so it leaks nothing by itself; text model and denoiser were trained
    jointly. Pictures are padded with black to the 32x32 that it takes. Made by ``leakboard train fashion_sd``; each
    folder opens with diffusers' ``StableDiffusionPipeline.from_pretrained``.
    """

    name: ClassVar[str] = "fashion_sd"
    fit: Fit = "pad"
    """How images of another size are fitted to its 32x32: padded with black, as in training."""

    @classmethod
    def weights(cls) -> Path:
        """The folder that holds the levels."""
        return WEIGHTS
