"""Any unconditional pixel model that matches flows, saved by diffusers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard_plugins.victims.pixel.flow_folder import open_pipeline, read_pipeline
from leakboard_plugins.victims.pixel.victim import PixelVictim

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Model, Need


@dataclass(frozen=True, kw_only=True)
class Flow(PixelVictim):
    """A diffusers pipeline of a UNet2DModel and a FlowMatchEulerDiscreteScheduler, from a folder or the hub cache.

    Predicts velocities (Liu et al. 2209.03003; Lipman et al. 2210.02747) and no noise. Its class in diffusers is
    ``DDPMPipeline``, which steps along whatever its scheduler says. Latent models that match flows (Stable Diffusion 3,
    Flux) open as ``stable_diffusion``. ``model`` is opened as it lies there: nothing is downloaded, and only
    safetensors are opened.
    """

    name: ClassVar[str] = "flow"

    @property
    def offers(self) -> frozenset[Need]:
        """Velocities, and no gradients."""
        return frozenset({"velocity"})

    def open(self, device: str) -> Model:
        """The model on ``device``, in eval mode.

        Raises:
            LeakboardError: there is no such pipeline, or it is not one of a UNet2DModel that matches flows.
        """
        return open_pipeline(self.folder, device, self.rest, self.variant, self.dtype)

    def files(self) -> Sequence[Path]:
        """Configuration and weights of the pipeline.

        Raises:
            LeakboardError: there is no such pipeline, it is damaged, or its weights are not those of its manifest.
        """
        return read_pipeline(self.folder, self.rest, self.variant).files
