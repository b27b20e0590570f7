"""The latent pipelines of diffusers that can be victims: what each is made of, and how it is sampled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

FLOW = "FlowMatchEulerDiscreteScheduler"
UNUSED = frozenset({"safety_checker", "feature_extractor", "image_encoder"})
"""Components that never see a latent: they are not loaded."""
TO_IMAGE = "Img2ImgPipeline"
"""How diffusers ends the names of its image-to-image pipelines."""


@dataclass(frozen=True)
class Kind:
    """What a class of pipelines is made of, and how it is sampled.

    Attributes:
        denoiser: name of the component that denoises.
        autoencoder: name of the component that makes latents of images.
        classes: whether it is conditioned on classes; without them and without text models, on nothing.
        text_models: what their names end with (``""``, ``"_2"``); there are as many tokenizers.
        optional: components that may be left out.
        embeddings: what its ``encode_prompt`` returns, in order; not needed of a ``flow``.
        sampling: ``pipeline`` through diffusers' image-to-image pipeline with texts that were embedded before, ``loop``
            step by step where diffusers has none, ``flow`` through its pipelines with the texts themselves.
        image_to_image: whether diffusers has an image-to-image pipeline for it.
        patch: side of the square of latents that it packs into one, and thereby into more channels.
        distilled: whether guidance is a number among the denoiser's arguments, which costs no second evaluation.
        unguided: the pipeline's ``guidance_scale`` that means no guidance; 0 where it counts the extra alone (Z-Image).
        upcasts: whether diffusers runs its autoencoder in float32 where half precision would overflow.
        arguments: more arguments of its pipeline, so that it keeps the size of the images.
    """

    denoiser: str = "transformer"
    autoencoder: str = "vae"
    classes: bool = False
    text_models: tuple[str, ...] = ("",)
    optional: tuple[str, ...] = ()
    embeddings: tuple[str, ...] = ("prompt_embeds", "negative_prompt_embeds")
    sampling: Literal["pipeline", "loop", "flow"] = "pipeline"
    image_to_image: bool = True
    patch: int = 1
    distilled: bool = False
    unguided: float = 1.0
    upcasts: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unconditional(self) -> bool:
        """Whether it takes no prompts of any kind."""
        return not (self.text_models or self.classes)

    @property
    def components(self) -> set[str]:
        """Names of the components that it cannot do without."""
        words = {f"{name}{ending}" for ending in self.text_models for name in ("text_encoder", "tokenizer")}
        return words | {self.denoiser, self.autoencoder, "scheduler"}


_POOLED = tuple(f"{sign}{name}" for name in ("prompt_embeds", "pooled_prompt_embeds") for sign in ("", "negative_"))
_MASKED = tuple(f"{sign}{name}" for sign in ("", "negative_") for name in ("prompt_embeds", "prompt_attention_mask"))
_PIXART = Kind(embeddings=_MASKED, sampling="loop", image_to_image=False)
KINDS: Mapping[str, Kind] = {
    "StableDiffusionPipeline": Kind("unet"),
    "StableDiffusionXLPipeline": Kind("unet", text_models=("", "_2"), embeddings=_POOLED, upcasts=True),
    "StableDiffusion3Pipeline": Kind(
        text_models=("", "_2"), optional=("text_encoder_3", "tokenizer_3"), embeddings=_POOLED
    ),
    "DiTPipeline": Kind(classes=True, text_models=(), embeddings=(), sampling="loop", image_to_image=False),
    "LDMPipeline": Kind("unet", "vqvae", text_models=(), embeddings=(), sampling="loop", image_to_image=False),
    "PixArtAlphaPipeline": _PIXART,
    "PixArtSigmaPipeline": _PIXART,
    "FluxPipeline": Kind(text_models=("", "_2"), sampling="flow", patch=2, distilled=True),
    "ChromaPipeline": Kind(sampling="flow", patch=2),
    "ZImagePipeline": Kind(sampling="flow", unguided=0.0),
    "AuraFlowPipeline": Kind(sampling="flow", image_to_image=False, upcasts=True),
    "SanaPipeline": Kind(sampling="flow", image_to_image=False, arguments={"use_resolution_binning": False}),
    "Lumina2Pipeline": Kind(sampling="flow", image_to_image=False),
}
"""The pipelines that can be opened, by their class in diffusers."""


def base_of(pipeline: str) -> str:
    """The text-to-image pipeline of the same components: folders are saved under either name."""
    return pipeline.replace(TO_IMAGE, "Pipeline")
