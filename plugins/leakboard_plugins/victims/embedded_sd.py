"""What the text-to-image victims whose weights ship with the package have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard_plugins.victims.embedded import Embedded
from leakboard_plugins.victims.latent_folder import open_latent, read_latent
from leakboard_plugins.victims.samplers import Choice  # noqa: TC001 - the harness reads it
from leakboard_plugins.victims.stable_diffusion import check_prompts, told_by

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leakboard.api import Model, Samples


@dataclass(frozen=True, kw_only=True)
class EmbeddedSd(Embedded):
    """A complete Stable Diffusion pipeline in miniature, asked as ``stable_diffusion`` asks any other."""

    opened_by: ClassVar[str] = "stable_diffusion"
    guidance: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Classifier-free guidance (Ho and Salimans 2207.12598). 1 is none: one denoiser evaluation a step, not two."""
    prompts: str = "caption"
    """What it is told with each sample: 'caption', 'empty', or 'template: a photo of {label}' ({label}, {caption})."""
    scheduler: Choice = "auto"
    """Sampler: 'auto' is DDIM with eta = 0 on the model's own schedule."""

    def __post_init__(self) -> None:
        check_prompts(self.prompts)

    @property
    def evaluations_per_step(self) -> int:  # type: ignore[override]  # depends on the guidance, and is only read
        """Two under guidance: with and without the prompt."""
        return 2 if self.guidance > 1 else 1

    @classmethod
    def checked(cls, folder: Path) -> Sequence[Path]:
        """The files of a level, compared with its manifest.

        Raises:
            LeakboardError: they are missing or damaged, or the weights are not those of the manifest.
        """
        return read_latent(folder).files

    def open(self, device: str) -> Model:
        """The model on ``device``, float32, in eval mode.

        Raises:
            LeakboardError: the weights are missing or damaged.
        """
        return open_latent(self.folder, device, guidance=self.guidance, scheduler=self.scheduler)

    def told(self, samples: Samples) -> tuple[str, ...]:
        """The prompts that ``prompts`` makes of captions and labels.

        Raises:
            Unsupported: the dataset has no captions or labels, and ``prompts`` needs them.
        """
        return told_by(self.prompts, samples)
