"""Plugins for the benchmarks: a victim that remembers every denoiser call, a flow, and a dataset of any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from leakboard import hookimpl
from leakboard.api import Dataset, Fit, Model, Samples, Step, Victim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import torch

    from leakboard.api import Need

CALLS: list[Callable[[], Any]] = []
"""The denoiser calls of this process, as batches, ready to be made again."""


class Recorder(Model):
    """Passes every question on and keeps it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.alphas_cumprod, self.image_shape = model.alphas_cumprod, model.image_shape
        self.encode = model.encode  # type: ignore[method-assign]
        self.decode = model.decode  # type: ignore[method-assign]

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """One denoiser call."""
        CALLS.append(lambda: self.model.predict_noise(state, timestep, prompts))
        return self.model.predict_noise(state, timestep, prompts)

    def reconstruct(
        self, images: torch.Tensor, seeds: Sequence[int], strength: float, steps: int, prompts: Sequence[str] | None
    ) -> Iterator[Step]:
        """``steps`` denoiser calls."""
        CALLS.append(lambda: list(self.model.reconstruct(images, seeds, strength, steps, prompts)))
        return self.model.reconstruct(images, seeds, strength, steps, prompts)


@dataclass(frozen=True, kw_only=True)
class Recorded(Victim):
    """An embedded victim whose denoiser calls are kept for a bare loop to make again."""

    name: ClassVar[str] = "recorded"
    spec: str = "fashion_ddpm(level='moderate')"

    @property
    def inside(self) -> Victim:
        """The victim that is recorded."""
        from leakboard.registry.find import shared

        found: Victim = shared().one("victim", self.spec).only
        return found

    @property
    def fit(self) -> Fit:
        """How it takes images of another size."""
        return self.inside.fit

    def open(self, device: str) -> Model:
        """Open the embedded victim behind a recorder."""
        return Recorder(self.inside.open(device))

    def prompts_for(self, samples: Samples) -> tuple[str, ...] | None:
        """The texts that the victim inside is given."""
        return self.inside.prompts_for(samples)


@dataclass(frozen=True, kw_only=True)
class UntrainedFlow(Victim):
    """The network that ``leakboard train fashion_flow`` begins with: it costs what a trained one does."""

    name: ClassVar[str] = "untrained_flow"

    @property
    def offers(self) -> frozenset[Need]:
        """Velocities."""
        return frozenset({"velocity"})

    @property
    def null(self) -> bool:
        """It has learnt nothing."""
        return True

    def open(self, device: str) -> Model:
        """Draw the weights of the recipe's seed."""
        from leakboard.training import RECIPES
        from leakboard.training.denoiser import build
        from leakboard_plugins.victims.pixel.flow_model import FlowPixelModel

        recipe: Any = next(each for each in RECIPES if each.name == "fashion_flow")
        network = build(recipe, 28, 1).to(device).eval().requires_grad_(False)
        return FlowPixelModel(network, {"num_train_timesteps": recipe.timesteps})


@dataclass(frozen=True, kw_only=True)
class Pool(Dataset):
    """As many images a side as asked for, from all that ship; who is called a member means nothing here."""

    name: ClassVar[str] = "pool"
    per_side: Annotated[int, Field(ge=8, le=3072)] = 512

    def load(self) -> Samples:
        """The first 2 x ``per_side`` images of the package's file."""
        import torch

        count = 2 * self.per_side
        with np.load(self.files()[0]) as arrays:
            images = torch.from_numpy(arrays["images"][:count])[:, None].float() / 255
        ids = tuple(f"pool-{row}" for row in range(count))
        return Samples(ids, images, np.arange(count) % 2 == 0)

    def files(self) -> Sequence[Path]:
        """The package's image file."""
        from importlib.resources import files
        from pathlib import Path

        return (Path(str(files("leakboard_plugins") / "data" / "fashion_mnist.npz")),)


@hookimpl
def leakboard_victims() -> list[type[Victim]]:
    """The recording victim and the flow."""
    return [Recorded, UntrainedFlow]


@hookimpl
def leakboard_datasets() -> list[type[Dataset]]:
    """The pool of any size."""
    return [Pool]
