"""The pixel diffusion models that ship with the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard_plugins.victims.folders.shipped import Shipped
from leakboard_plugins.victims.pixel.folder import open_pipeline, read_pipeline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Model, Need


@dataclass(frozen=True, kw_only=True)
class FashionDdpm(Shipped):
    """Embedded: a 0.6 M parameter DDPM trained on exactly the members of ``fashion_mnist``.

    The levels are checkpoints of one training run that differ in the number of epochs alone, which governs how much
    the model leaks; ``untrained`` has the random weights the run started from and serves as a null check. Made by
    ``leakboard train fashion_ddpm``; each folder opens with diffusers' ``DDPMPipeline.from_pretrained``.
    """

    name: ClassVar[str] = "fashion_ddpm"
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
        """The model on ``device``, float32, in eval mode.

        Raises:
            LeakboardError: the weights are missing or damaged.
        """
        return open_pipeline(self.folder, device)
