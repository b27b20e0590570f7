"""Any unconditional pixel model that matches flows, saved by diffusers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard.api import Fit  # noqa: TC001 - the harness reads the annotation
from leakboard_plugins.victims.folders.locate import locate
from leakboard_plugins.victims.folders.victim import FolderVictim
from leakboard_plugins.victims.pixel.flow_folder import open_pipeline, read_pipeline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Model, Need


@dataclass(frozen=True, kw_only=True)
class Flow(FolderVictim):
    """A diffusers pipeline of a UNet2DModel and a FlowMatchEulerDiscreteScheduler, from a folder or the hub cache.

    Predicts velocities (Liu et al. 2209.03003; Lipman et al. 2210.02747) and no noise. Its class in diffusers is
    ``DDPMPipeline``, which steps along whatever its scheduler says. Latent models that match flows (Stable Diffusion 3,
    Flux) open as ``stable_diffusion``. Nothing is downloaded, and only safetensors are opened.
    """

    name: ClassVar[str] = "flow"
    model: str
    """Path of the pipeline folder, or a hub id that is in the local hub cache."""
    base: str | None = None
    """Path or hub id of the pipeline that the scheduler is taken from, where ``model`` holds a UNet2DModel alone."""
    variant: str | None = None
    """Of the weights: 'fp16', 'ema' and the like. None is the plain ones, or the only variant there is."""
    fit: Fit = "exact"
    """How images of another size or colour are fitted to it: not at all, padded with black, or resized (bicubic)."""
    allow_untrained: bool = False
    """Attack it even if its denoising loss is at chance."""

    @property
    def folder(self) -> Path:
        """Where the pipeline is.

        Raises:
            LeakboardError: there is no such pipeline.
        """
        return locate(self.model)

    @property
    def offers(self) -> frozenset[Need]:
        """Velocities, and no gradients."""
        return frozenset({"velocity"})

    @property
    def gated(self) -> bool:
        """True unless untrained weights are allowed."""
        return not self.allow_untrained

    def open(self, device: str) -> Model:
        """The model on ``device``, float32, in eval mode.

        Raises:
            LeakboardError: there is no such pipeline, or it is not one of a UNet2DModel that matches flows.
        """
        return open_pipeline(self.folder, device, self._base, self.variant)

    def files(self) -> Sequence[Path]:
        """Configuration and weights of the pipeline.

        Raises:
            LeakboardError: there is no such pipeline, it is damaged, or its weights are not those of its manifest.
        """
        return read_pipeline(self.folder, self._base, self.variant).files

    @property
    def _base(self) -> Path | None:
        return None if self.base is None else locate(self.base, key="base")
