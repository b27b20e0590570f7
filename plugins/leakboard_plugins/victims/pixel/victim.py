"""What victims of pixel pipelines that users bring have in common, whatever the network predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakboard.api import Fit  # noqa: TC001 - the harness reads the annotation
from leakboard_plugins.victims.folders.locate import locate
from leakboard_plugins.victims.folders.victim import FolderVictim
from leakboard_plugins.victims.pixel.precision import Dtype  # noqa: TC001 - as above

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class PixelVictim(FolderVictim):
    """A victim that a folder of a UNet2DModel and a scheduler makes, or a hub id of the local hub cache."""

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
    dtype: Dtype = "float32"
    """Type of the network's weights and of what it computes with; what it answers is float32."""

    @property
    def folder(self) -> Path:
        """Where the pipeline is.

        Raises:
            LeakboardError: there is no such pipeline.
        """
        return locate(self.model)

    @property
    def gated(self) -> bool:
        """True unless untrained weights are allowed."""
        return not self.allow_untrained

    @property
    def rest(self) -> Path | None:
        """The pipeline that the scheduler is taken from, where the folder holds a network alone.

        Raises:
            LeakboardError: there is no such pipeline.
        """
        return None if self.base is None else locate(self.base, key="base")
