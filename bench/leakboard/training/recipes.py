"""The recipes of the embedded victims: every number that shapes one, in a frozen value each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from leakboard.api import Defense  # noqa: TC001 - the values of a recipe are checked against its types
from leakboard.recipe import STATE, Recipe, off
from leakboard.training import checks
from leakboard.training.distilling import DistilledRecipe
from leakboard.training.lora import LoraRecipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from leakboard.api import Samples
    from leakboard.recipe import Given, Stage
    from leakboard.training.measuring import FlowCheckpoint, LatentCheckpoint, PixelCheckpoint


@dataclass(frozen=True, kw_only=True)
class DiffusionRecipe(Recipe):
    """What the recipes of pixel and latent models share.

    The number of epochs governs how much the model leaks, so the checkpoints are chosen by epoch count alone.
    """

    channels: tuple[int, ...] = (16, 32, 64)
    """Of the denoiser; each level but the last halves height and width."""
    layers_per_block: int = 1
    batch_size: int = 32
    learning_rate: float = 2e-3
    average: float = 0.999
    """Decay of the exponential moving average of the weights."""
    clip_norm: float = 1.0
    timesteps: int = 1000
    defense: tuple[Defense, ...] = off(())
    """What members pass before they are learnt, in order: once (at='training'), or anew each time they are shown
    (at='augmentation')."""
    weight_decay: Annotated[float, Field(ge=0)] = off(0.01)
    """Share of every weight, times the learning rate, that a step takes off it (AdamW, arXiv 1711.05101)."""
    patience: Annotated[int, Field(ge=0)] = off(0)
    """Epochs without a lower loss on auxiliary images after which the training ends; its checkpoints hold the weights
    with the lowest one. 0 for no early stopping."""
    copies: tuple[int, ...] = off(())
    """How often members stand in the training set: as many equal parts of them, chosen by their ids, as numbers."""
    deduplicated: bool = off(value=False)
    """Whether the training set loses all but one of several equal images."""

    @property
    def wants_auxiliary(self) -> bool:
        """True for early stopping: it must not look at held-out images that are evaluated."""
        return self.patience > 0

    @property
    def packages(self) -> tuple[str, ...]:
        """Those that shape the weights, and diffusers, which saves them."""
        return ("diffusers", *super().packages)

    def check(self, samples: Samples, auxiliary: Samples | None) -> None:
        """Refuse defenses that do not act in a training or do not take the images.

        Raises:
            LeakboardError: one does not; or images to stop by are of another size.
        """
        from leakboard.training import shown

        if self.patience:
            checks.check_alike(samples, auxiliary)
        shown.check_defenses(self, samples)

    def facts(self, folder: Path, samples: Samples) -> dict[str, Any]:
        """What was planted, what was taken out, and when it stopped."""
        from leakboard.training import shown, stopping

        facts = shown.facts(self, samples)
        if self.patience:
            facts["early_stopping"] = stopping.stopped(folder.parent / STATE, self.checkpoints[folder.name])
        return facts


@dataclass(frozen=True, kw_only=True)
class PixelRecipe(DiffusionRecipe):
    """An unconditional pixel diffusion model trained on the members of one dataset; its folders open as ``ddpm``."""

    def check(self, samples: Samples, auxiliary: Samples | None) -> None:
        """Refuse images that the network cannot halve.

        Raises:
            LeakboardError: they are not square, or of an odd side; or as for all recipes.
        """
        checks.check_sides(self, samples)
        super().check(samples, auxiliary)

    def prepare(self, given: Given) -> Iterator[Stage]:
        """The denoiser."""
        from leakboard.training import denoiser

        yield denoiser.stage(self, given)

    def opened(self, folder: Path, device: str) -> PixelCheckpoint:
        """The finished checkpoint of a folder, float32.

        Raises:
            LeakboardError: it is missing or damaged.
        """
        from leakboard.training.measuring import PixelCheckpoint

        return PixelCheckpoint(folder, device, self.seed)


@dataclass(frozen=True, kw_only=True)
class FlowRecipe(PixelRecipe):
    """An unconditional pixel model that matches flows, of the same network; its folders open as ``flow``."""

    u_shape: Annotated[float, Field(ge=0, le=50)] = off(0.0)
    """How much rarer times near one half are drawn than near 0 and 1: see `leakboard.training.denoiser.times_of`."""

    def prepare(self, given: Given) -> Iterator[Stage]:
        """The network that predicts velocities."""
        from leakboard.training import denoiser

        yield denoiser.flow_stage(self, given)

    def opened(self, folder: Path, device: str) -> FlowCheckpoint:
        """The finished checkpoint of a folder, float32.

        Raises:
            LeakboardError: it is missing or damaged.
        """
        from leakboard.training.measuring import FlowCheckpoint

        return FlowCheckpoint(folder, device, self.seed)


@dataclass(frozen=True)
class AutoencoderRecipe:
    """The autoencoder of a latent model, trained on images of the same distribution that are no members."""

    channels: tuple[int, ...] = (16, 32, 32)
    """Each level but the last halves height and width."""
    latent_channels: int = 4
    layers_per_block: int = 1
    kl_weight: float = 1e-5
    """Of the Kullback-Leibler term a latent number, against the mean squared error a pixel number in [-1, 1]."""
    batch_size: int = 32
    learning_rate: float = 2e-3
    average: float = 0.995
    clip_norm: float = 1.0
    epochs: int = 30
    augment: bool = False
    """Also train on mirrored and shifted pictures with their colours swapped, where the images are few."""
    seed: int = 0


@dataclass(frozen=True)
class TextRecipe:
    """The text model: CLIP's architecture with a word vocabulary made from the captions alone."""

    hidden: int = 32
    layers: int = 2
    heads: int = 4
    length: int = 16
    """Tokens a caption is cut to, start and end counted."""
    dropout: Annotated[float, Field(ge=0, le=1)] = off(0.1, described=True)
    """Share of captions replaced by the empty one, so that guidance has an unconditional side."""
    deleted: Annotated[float, Field(ge=0, le=1)] = off(0.0)
    """Chance of every word to be left out of a caption, each time the caption is told."""
    shuffled: Annotated[float, Field(ge=0, le=1)] = off(0.0)
    """Chance of a caption to be told with its words in random order."""
    rephrased: Annotated[float, Field(ge=0, le=1)] = off(0.0)
    """Chance of a caption to be told in other words: see `leakboard.training.captions.rephrasings`."""


@dataclass(frozen=True, kw_only=True)
class LatentRecipe(DiffusionRecipe):
    """A Stable Diffusion pipeline in miniature: text model and denoiser trained jointly on members and captions.

    Its autoencoder is trained first, on auxiliary images; its folders open as ``stable_diffusion``.
    """

    channels: tuple[int, ...] = (32, 64)
    autoencoder: AutoencoderRecipe = AutoencoderRecipe()
    text: TextRecipe = TextRecipe()
    size: int = 32
    """Side of the images that the autoencoder takes; smaller images are padded evenly with black."""

    @property
    def wants_auxiliary(self) -> bool:
        """True: an autoencoder that had seen members would leak too."""
        return True

    @property
    def packages(self) -> tuple[str, ...]:
        """Those of a pixel recipe, and those that make the text model."""
        return (*super().packages, "tokenizers", "transformers")

    def check(self, samples: Samples, auxiliary: Samples | None) -> None:
        """Refuse images without captions or larger than the autoencoder takes.

        Raises:
            LeakboardError: they are; or as for all recipes.
        """
        super().check(samples, auxiliary)
        checks.check_captions(self, samples)
        checks.check_size(self, self.size, samples, "images")
        assert auxiliary is not None
        checks.check_size(self, self.size, auxiliary, "auxiliary images")
        if self.patience:
            checks.check_captions(self, auxiliary)

    def prepare(self, given: Given) -> Iterator[Stage]:
        """The autoencoder, then text model and denoiser jointly in its latent space."""
        from leakboard.training import autoencoder, latent

        yield autoencoder.stage(self, given)
        yield latent.stage(self, given)

    def opened(self, folder: Path, device: str) -> LatentCheckpoint:
        """The finished checkpoint of a folder, float32.

        Raises:
            LeakboardError: it is missing or damaged.
        """
        from leakboard.training.measuring import LatentCheckpoint

        return LatentCheckpoint(folder, device, self.seed, self.size)

    def facts(self, folder: Path, samples: Samples) -> dict[str, Any]:
        """How well the autoencoder does, and whether it leaks members by itself: its AUC must not differ from 0.5."""
        from leakboard.training.autoencoder import facts

        return {"autoencoder": facts(folder, samples, self.size), **super().facts(folder, samples)}


LEVELS = {"untrained": 0, "light": 330, "moderate": 550, "heavy": 770}
"""Of all Fashion-MNIST victims: pixel, latent and flow have seen the same images equally often."""

RECIPES: tuple[Recipe, ...] = (
    PixelRecipe(
        name="fashion_ddpm",
        dataset="fashion_mnist",
        checkpoints=LEVELS,
        summary="The embedded pixel model: 0.6 M parameters on 1,024 Fashion-MNIST images.",
    ),
    PixelRecipe(
        name="fashion_small",
        dataset="fashion_mnist_small",
        checkpoints={"untrained": 0, "moderate": 440},
        channels=(8, 16, 32),
        batch_size=16,
        summary="A pixel model of 0.16 M parameters on 256 images, to be trained with its shadow victims.",
    ),
    FlowRecipe(
        name="fashion_flow",
        dataset="fashion_mnist",
        checkpoints=LEVELS,
        summary="The embedded flow model: the network of fashion_ddpm on the same images, trained to match flows.",
    ),
    LatentRecipe(
        name="fashion_sd",
        dataset="fashion_mnist",
        checkpoints=LEVELS,
        summary="The embedded Stable Diffusion in miniature on the same images, each with a caption.",
    ),
    LatentRecipe(
        name="emoji_sd",
        dataset="emoji",
        checkpoints={"untrained": 0, "light": 100, "moderate": 160, "heavy": 240},
        average=0.995,
        autoencoder=AutoencoderRecipe(latent_channels=8, epochs=300, augment=True),
        summary="The embedded Stable Diffusion in miniature on 512 captioned emoji.",
    ),
    LatentRecipe(
        name="openclipart_sd",
        dataset="openclipart",
        checkpoints={"untrained": 0, "moderate": 140, "heavy": 220},
        average=0.995,
        autoencoder=AutoencoderRecipe(channels=(16, 32, 32, 32), latent_channels=16, epochs=150, augment=True),
        size=64,
        summary="Stable Diffusion in miniature on the 1,024 captioned drawings of openclipart.",
    ),
    DistilledRecipe(
        name="fashion_distilled",
        dataset="fashion_mnist",
        checkpoints={"16-steps": 20, "8-steps": 40, "4-steps": 60},
        teacher="fashion_ddpm(level='heavy')",
        steps=(16, 8, 4),
        summary="Students of fashion_ddpm that generate in 16, 8 and 4 steps, by progressive distillation.",
    ),
    LoraRecipe(
        name="fashion_lora",
        dataset="fashion_mnist_unseen",
        base="fashion_sd(level='moderate')",
        checkpoints={"untrained": 0, "light": 40, "moderate": 120, "heavy": 240},
        summary="An adapter (LoRA) of fashion_sd on 256 captioned photographs of clothes that it never saw.",
    ),
    LoraRecipe(
        name="emoji_lora",
        dataset="emoji_unseen",
        base="emoji_sd(level='moderate')",
        checkpoints={"untrained": 0, "light": 40, "moderate": 120, "heavy": 240},
        summary="An adapter (LoRA) of emoji_sd on 256 captioned emoji that it never saw.",
    ),
)
