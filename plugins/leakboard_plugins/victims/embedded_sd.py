"""What the text-to-image victims whose weights ship with the package have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakboard_plugins.victims.embedded import Embedded
from leakboard_plugins.victims.latent_folder import read_latent
from leakboard_plugins.victims.latent_victim import LatentVictim

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class EmbeddedSd(Embedded, LatentVictim):
    """A complete Stable Diffusion pipeline in miniature, in the checkpoints of one training run."""

    opened_by: ClassVar[str] = "stable_diffusion"

    @property
    def gated(self) -> bool:  # type: ignore[override]  # depends on the level, and is only read
        """True unless it is meant to be untrained."""
        return not (self.null or self.allow_untrained)

    @classmethod
    def checked(cls, folder: Path) -> Sequence[Path]:
        """The files of a level, compared with its manifest.

        Raises:
            LeakboardError: they are missing or damaged, or the weights are not those of the manifest.
        """
        return read_latent(folder).files
