"""The diffusion models that ship with the package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from leakboard.api import LeakboardError, Victim
from leakboard_plugins.victims.pipeline_folder import (
    manifest_digest,
    manifest_facts,
    open_pipeline,
    pipeline_files,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Model

WEIGHTS = Path(__file__).parents[1] / "weights" / "fashion_ddpm"
Level = Literal["light", "moderate", "heavy", "untrained"]


@dataclass(frozen=True, kw_only=True)
class FashionDdpm(Victim):
    """Embedded: a 0.6 M parameter DDPM trained on exactly the members of ``fashion_mnist``.

    The levels are checkpoints of one training run that differ in the number of epochs alone, which governs how much
    the model leaks; ``untrained`` has the random weights the run started from and serves as a null check. Made by
    ``leakboard train fashion_ddpm``; each folder opens with diffusers' ``DDPMPipeline.from_pretrained``.
    """

    name: ClassVar[str] = "fashion_ddpm"
    level: Level = "moderate"
    """How long it was trained."""

    @property
    def folder(self) -> Path:
        """The pipeline folder of the level, with a ``manifest.json``.

        Raises:
            LeakboardError: the level does not come with this installation.
        """
        folder = WEIGHTS / self.level
        if not folder.is_dir():
            raise LeakboardError(
                f"the weights of fashion_ddpm(level={self.level!r}) are not installed",
                where=str(folder),
                expected="the pipeline folder that ships with the package",
                next="leakboard train fashion_ddpm --out DIR, then ddpm(model='DIR/" + self.level + "')",
            )
        return folder

    @property
    def null(self) -> bool:  # type: ignore[override]  # depends on the level, and is only read
        """True for the untrained level: it cannot have learnt its members."""
        return self.level == "untrained"

    def open(self, device: str) -> Model:
        """The model on ``device``, float32, in eval mode.

        Raises:
            LeakboardError: the weights are missing or damaged.
        """
        return open_pipeline(self.folder, device)

    def files(self) -> Sequence[Path]:
        """Configuration and weights of the pipeline.

        Raises:
            LeakboardError: they are missing or damaged, or the weights are not those of the manifest.
        """
        return pipeline_files(self.folder)

    @classmethod
    def check_shipped(cls) -> list[str]:
        """The levels that come with this installation, after comparing each with its manifest.

        Raises:
            LeakboardError: one is not whole, or its weights are not those of its manifest.
        """
        levels = [level for level in get_args(Level) if (WEIGHTS / level).is_dir()]
        for level in levels:
            pipeline_files(WEIGHTS / level)
        return levels

    def trained_on(self) -> str | None:
        """`member_digest` of the members it was trained on; None for ``untrained``."""
        return manifest_digest(self.folder)

    def facts(self) -> dict[str, Any]:
        """What the manifest says of its training."""
        return manifest_facts(self.folder)
