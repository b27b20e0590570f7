"""The text-to-image models of drawings that ship with the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leakboard_plugins.victims.latent.shipped import ShippedLatent


@dataclass(frozen=True, kw_only=True)
class OpenclipartSd(ShippedLatent):
    """Embedded: Stable Diffusion in miniature, trained on exactly the members of ``openclipart``, a caption each.

    The autoencoder saw the auxiliary pool only; text model and denoiser were trained jointly on members and captions.
    Every word of the dataset is a token, but those that no member's caption has were never trained: attacks that use
    captions find that too, so compare with ``prompts='empty'``. Made by ``leakboard train openclipart_sd``; each folder
    opens with diffusers' ``StableDiffusionPipeline.from_pretrained``.
    """

    name: ClassVar[str] = "openclipart_sd"
