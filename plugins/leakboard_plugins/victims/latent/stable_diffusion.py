"""Any latent diffusion model saved by diffusers: Stable Diffusion and its kin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard_plugins.victims.folders.locate import locate
from leakboard_plugins.victims.latent.folder import LAYOUT
from leakboard_plugins.victims.latent.victim import LatentVictim

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class StableDiffusion(LatentVictim):
    """A diffusers latent pipeline, conditioned on text, classes or nothing, from a folder or the local hub cache.

    Stable Diffusion 1, 2, XL and 3, Flux, Chroma and Z-Image reconstruct through diffusers' own image-to-image
    pipelines; AuraFlow, Sana and Lumina 2, which have none, through the last steps of their text-to-image
    pipelines; DiT, PixArt and the unconditional LDM step by step. Nothing is downloaded, only safetensors are opened,
    and no safety checker runs.
    """

    name: ClassVar[str] = "stable_diffusion"
    model: str
    """Path of the pipeline folder, or a hub id that is in the local hub cache."""
    revision: str | None = None
    """Branch, tag or commit of the hub id; None is its main branch."""

    base: str | None = None
    """Path or hub id of the pipeline that the rest is taken from, where ``model`` holds a denoiser alone."""
    variant: str | None = None
    """Of the weights: 'fp16', 'bf16', 'non_ema', 'ema'. None is the plain ones, or the only variant there is."""

    size: Annotated[int, Field(ge=8, le=8192)] | None = None
    """Height and width of its images in pixels; None is the size that the pipeline makes by itself."""

    @property
    def side(self) -> int | None:
        """Height and width of its images in pixels; None is the size that the pipeline makes by itself."""
        return self.size

    @property
    def folder(self) -> Path:
        """Where the pipeline is.

        Raises:
            LeakboardError: there is no such pipeline.
        """
        return locate(self.model, self.revision, LAYOUT)

    @property
    def rest(self) -> Path | None:
        """The pipeline that the rest is taken from, where the folder holds a denoiser alone.

        Raises:
            LeakboardError: there is no such pipeline.
        """
        return None if self.base is None else locate(self.base, None, LAYOUT, "base")

    @property
    def weights_variant(self) -> str | None:
        """Variant of the weights; None is plain ones, or the only variant there is."""
        return self.variant
