"""What the pixel diffusion models whose weights ship with the package have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard_plugins.victims.folders.shipped import Shipped
from leakboard_plugins.victims.pixel.folder import open_pipeline, read_pipeline
from leakboard_plugins.victims.pixel.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Model, Need


@dataclass(frozen=True, kw_only=True)
class ShippedPixel(Precision, Shipped):
    """Pipelines of a UNet2DModel and a scheduler of betas, which diffusers' ``DDPMPipeline`` opens too."""

    opened_by: ClassVar[str] = "ddpm"

    @property
    def offers(self) -> frozenset[Need]:
        """Predictions of noise, whatever its network predicts itself, and gradients."""
        return frozenset({"noise", "gradients"})

    def files(self) -> Sequence[Path]:
        """Configuration and weights of the pipeline.

        Raises:
            LeakboardError: they are missing or damaged, or the weights are not those of the manifest.
        """
        return read_pipeline(self.folder).files

    def open(self, device: str) -> Model:
        """The model on ``device``, in eval mode.

        Raises:
            LeakboardError: the weights are missing or damaged.
        """
        return open_pipeline(self.folder, device, dtype=self.dtype)
