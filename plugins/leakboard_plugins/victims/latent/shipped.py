"""What the text-to-image victims whose weights ship with the package have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leakboard_plugins.victims.folders.shipped import Shipped
from leakboard_plugins.victims.latent.victim import LatentVictim


@dataclass(frozen=True, kw_only=True)
class ShippedLatent(Shipped, LatentVictim):
    """A complete Stable Diffusion pipeline in miniature, in the checkpoints of one training run."""

    opened_by: ClassVar[str] = "stable_diffusion"

    @property
    def null(self) -> bool:
        """True for the untrained level, and for a base with an adapter that was not trained."""
        return super().null if self.adapter is None else super(Shipped, self).null

    @property
    def gated(self) -> bool:
        """True unless it is meant to be untrained."""
        return not (self.null or self.allow_untrained)
