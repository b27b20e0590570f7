"""The recipe of adapters: low-rank changes of a text-to-image victim that is trained already, which stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from leakboard.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from leakboard.api import Samples
    from leakboard.recipe import Given, Stage
    from leakboard.training.adapter import LoraCheckpoint

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
"""How diffusers calls the projections of all attention in a denoiser, of images to themselves and to the text."""


@dataclass(frozen=True, kw_only=True)
class LoraRecipe(Recipe):
    """LoRA of the denoiser of a Stable Diffusion (Hu et al. 2106.09685), trained on members and their captions.

    Autoencoder, text model and all weights of the denoiser stay those of the base. A checkpoint is the adapter alone,
    in the file and under the names that diffusers' ``load_lora_weights`` reads; its folder opens as
    ``stable_diffusion(model=..., adapter='FOLDER')``, or beside a shipped base as ``fashion_sd(adapter='FOLDER')``.

    Attributes:
        base: spec of the victim that is trained further; its folder is a pipeline of Stable Diffusion 1 or 2 that
            predicts noise, and it saw no sample of the dataset.
        rank: inner size of every change.
        alpha: a change counts alpha / rank times; None is the rank.
        targets: endings of the layers' names that are changed.
        dropout: share of captions replaced by the empty one.
        average: decay of the exponential moving average of the weights.
    """

    base: str
    rank: Annotated[int, Field(ge=1)] = 4
    alpha: Annotated[float, Field(gt=0)] | None = None
    targets: tuple[str, ...] = ATTENTION
    batch_size: Annotated[int, Field(ge=1)] = 32
    learning_rate: Annotated[float, Field(gt=0)] = 5e-3
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    clip_norm: Annotated[float, Field(gt=0)] = 1.0

    @property
    def packages(self) -> tuple[str, ...]:
        """Those that shape the adapter, and diffusers, which opens it."""
        return ("diffusers", "peft", "transformers", *super().packages)

    def check(self, samples: Samples, auxiliary: Samples | None) -> None:  # noqa: ARG002 - it wants none
        """Refuse samples that the base cannot take or has seen, and targets that it lacks.

        Raises:
            LeakboardError: they are; or there is no such base, or no peft.
        """
        from leakboard.training import adapter

        adapter.check(self, samples)

    def prepare(self, given: Given) -> Iterator[Stage]:
        """The adapter, while the base stays as it is."""
        from leakboard.training import adapter

        yield adapter.stage(self, given)

    def opened(self, folder: Path, device: str) -> LoraCheckpoint:
        """The base with the finished adapter of a folder, float32.

        Raises:
            LeakboardError: either is missing or damaged.
        """
        from leakboard.training.adapter import LoraCheckpoint

        return LoraCheckpoint(self, folder, device)

    def facts(self, folder: Path, samples: Samples) -> dict[str, Any]:  # noqa: ARG002 - they are in every manifest
        """The base, with a digest of its weights, and how large the adapter is."""
        from leakboard.training import adapter

        return adapter.facts(self, folder)
