"""A recipe in one file: the pixel model, which sees its members mirrored as often as not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import leakboard
from leakboard.training import PixelRecipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch

    from leakboard.api import Samples
    from leakboard.recipe import Batch, Given, Recipe, Stage, Step


@dataclass(frozen=True, kw_only=True)
class FlippedRecipe(PixelRecipe):
    """Pixel diffusion with horizontal flips."""

    chance: float = 0.5

    def prepare(self, given: Given) -> Iterator[Stage]:
        for stage in super().prepare(given):
            yield replace(stage, step=self._flipping(stage.step))

    def facts(self, folder: Path, samples: Samples) -> dict[str, Any]:
        return {"augmentation": {"horizontal_flip": self.chance}}

    def _flipping(self, step: Step) -> Step:
        def flipped(batch: Batch, generator: torch.Generator) -> torch.Tensor:
            import torch

            (clean,) = batch
            chosen = torch.rand((len(clean), 1, 1, 1), generator=generator) < self.chance
            return step((torch.where(chosen.to(clean.device), clean.flip(-1), clean),), generator)

        return flipped


@leakboard.hookimpl
def leakboard_recipes() -> list[Recipe]:
    return [
        FlippedRecipe(
            name="flipped",
            dataset="tiny(count=6)",
            checkpoints={"untrained": 0, "light": 2},
            channels=(8, 16),
            batch_size=4,
            summary="A pixel model that sees its members mirrored as often as not.",
        )
    ]
