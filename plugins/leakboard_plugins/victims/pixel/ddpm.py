"""Any unconditional pixel diffusion model saved by diffusers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard_plugins.victims.pixel.folder import open_pipeline, read_pipeline
from leakboard_plugins.victims.pixel.victim import PixelVictim

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Model, Need


@dataclass(frozen=True, kw_only=True)
class Ddpm(PixelVictim):
    """A diffusers pipeline of a UNet2DModel and a scheduler of betas, from a folder or the local hub cache.

    Predicts noise, velocity or the clean image (Ho et al. 2006.11239; Salimans and Ho 2202.00512). It reconstructs by
    DDIM with eta = 0 on its own noise schedule. ``model`` is opened as it lies there: nothing is downloaded, and only
    safetensors are opened.
    """

    name: ClassVar[str] = "ddpm"

    @property
    def offers(self) -> frozenset[Need]:
        """Predictions of noise, whatever its network predicts itself, and gradients."""
        return frozenset({"noise", "gradients"})

    def open(self, device: str) -> Model:
        """The model on ``device``, in eval mode.

        Raises:
            LeakboardError: there is no such pipeline, or it is not one of a UNet2DModel with safetensors weights.
        """
        return open_pipeline(self.folder, device, self.rest, self.variant, self.dtype)

    def files(self) -> Sequence[Path]:
        """Configuration and weights of the pipeline.

        Raises:
            LeakboardError: there is no such pipeline, it is damaged, or its weights are not those of its manifest.
        """
        return read_pipeline(self.folder, self.rest, self.variant).files
