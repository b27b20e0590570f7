"""The text-to-image models of emoji that ship with the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leakboard_plugins.victims.latent.shipped import ShippedLatent


@dataclass(frozen=True, kw_only=True)
class EmojiSd(ShippedLatent):
    """Embedded: Stable Diffusion in miniature, trained on exactly the members of ``emoji``, a caption each.

    The offline stand-in for a model of captioned colour photographs. The autoencoder saw the auxiliary pool only; text
    model and denoiser were trained jointly on members and captions. Every word of the dataset is a token, but those
    that no member's caption has were never trained: attacks that use captions find that too, so compare with
    ``prompts='empty'``. Made by ``leakboard train emoji_sd``; each folder opens with diffusers'
    ``StableDiffusionPipeline.from_pretrained``.
    """

    name: ClassVar[str] = "emoji_sd"
