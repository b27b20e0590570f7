"""The pixel models that match flows and ship with the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard_plugins.victims.folders.shipped import Shipped
from leakboard_plugins.victims.pixel.flow_folder import open_pipeline, read_pipeline
from leakboard_plugins.victims.pixel.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Model, Need


@dataclass(frozen=True, kw_only=True)
class FashionFlow(Precision, Shipped):
    """Embedded: the network of ``fashion_ddpm`` on the same members, trained to match flows (Liu et al. 2209.03003).

    The levels are checkpoints of one training run after as many epochs as those of ``fashion_ddpm``; ``untrained`` has
    the random weights the run started from and serves as a null check. Made by ``leakboard train fashion_flow``; each
    folder opens with diffusers' ``DDPMPipeline.from_pretrained``, which steps as its scheduler says.
    """

    name: ClassVar[str] = "fashion_flow"
    opened_by: ClassVar[str] = "flow"

    @property
    def offers(self) -> frozenset[Need]:
        """Velocities, and no gradients."""
        return frozenset({"velocity"})

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
