"""The counting twin: answers placeholders of the right shape, distinct for distinct questions, and costs nothing.

The plan runs the same observers against it that the runner will run against the victim, so the number of denoiser
evaluations is known beforehand without a line of code from plugin authors.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leakboard.api import Defense, Model, Samples, Step
from leakboard.noise import normal, standard_normal
from leakboard.oracle.memo import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from leakboard.api import Noise

SHAPE = (3, 32, 32)


@dataclass(frozen=True, kw_only=True)
class TwinDefense(Defense):
    """Stands in for a defense that asks a model of its own: nothing is opened for a plan, and it draws noise."""

    name: ClassVar[str] = "twin"

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Placeholders in [0, 1], others for another draw."""
        return (images + noise(images)).sigmoid()


class CountingTwin(Model):
    """Stands in for any victim, also for one that matches flows; its schedule is the linear one of DDPM."""

    def __init__(self, timesteps: int = 1000) -> None:
        import torch

        self._aside = ""
        self.alphas_cumprod = torch.cumprod(1 - torch.linspace(1e-4, 0.02, timesteps), 0)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """A placeholder of the images' shape."""
        return self._said("encode", images)

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """A placeholder in [0, 1]."""
        return self._said("decode", inner).sigmoid()

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """A placeholder of the state's shape."""
        return self._said(f"predict_noise {timestep}", state, prompts)

    def predict_velocity(self, state: torch.Tensor, time: float, prompts: Sequence[str] | None) -> torch.Tensor:
        """A placeholder of the state's shape."""
        return self._said(f"predict_velocity {time}", state, prompts)

    def reconstruct(
        self, images: torch.Tensor, seeds: Sequence[int], strength: float, steps: int, prompts: Sequence[str] | None
    ) -> Iterator[Step]:
        """As many placeholder steps as were asked for."""
        start = images + standard_normal(seeds, images)
        for step in range(steps):
            question = f"reconstruct {strength} {steps} {step}"
            yield Step(self._said(question, start, prompts), self._said(f"{question} state", start, prompts))

    def generate(self, seeds: Sequence[int], steps: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """Placeholders of an image's shape."""
        return self._said(f"generate {steps}", standard_normal(seeds, _blank(len(seeds))), prompts)

    def gradients(
        self, inner: torch.Tensor, noise: torch.Tensor, timesteps: Sequence[int], prompts: Sequence[str] | None
    ) -> torch.Tensor:
        """Eight placeholder norms a sample."""
        return self._said(f"gradients {timesteps}", (inner + noise).flatten(1)[:, :8], prompts).abs()

    def state_gradient(
        self, inner: torch.Tensor, noise: torch.Tensor, timestep: int, prompts: Sequence[str] | None
    ) -> torch.Tensor:
        """One placeholder norm a sample."""
        return self._said(f"state_gradient {timestep}", (inner + noise).flatten(1)[:, :1], prompts).abs()[:, 0]

    def decoder_gain(self, inner: torch.Tensor, probes: Sequence[torch.Tensor]) -> torch.Tensor:
        """Placeholders of the latents' shape."""
        return self._said(f"decoder_gain {len(probes)}", inner).square()

    def base(self) -> CountingTwin:
        """Another twin, whose answers are others."""
        twin = copy.copy(self)
        twin.__dict__["_aside"] = f"base {self._aside}"
        return twin

    def _said(self, question: str, like: torch.Tensor, prompts: Sequence[str] | None = None) -> torch.Tensor:
        return _placeholder(f"{self._aside}{question}", like, prompts)


class DrawingTwin(CountingTwin):
    """Stands in for a victim whose predictions are random: no two questions share an answer."""

    def seeded(self, seeds: Sequence[int]) -> Model:  # noqa: ARG002 - that there are others for each question is enough
        """Itself."""
        return self


def placeholder_samples() -> Samples:
    """One random image with a caption of several words, for some observers ask about parts of it."""
    import torch

    images = torch.rand((1, *SHAPE), generator=torch.Generator().manual_seed(0))
    return Samples(("placeholder",), images, np.array([True]), ("a placeholder of nine words stands for each caption",))


def _blank(count: int) -> torch.Tensor:
    import torch

    return torch.zeros((count, *SHAPE))


def _placeholder(question: str, like: torch.Tensor, prompts: Sequence[str] | None = None) -> torch.Tensor:
    """Normal noise that depends on the question and on each sample's own row and prompt."""
    texts = prompts if prompts is not None else [None] * len(like)
    asked = [f"{digest(row)} {prompt!r}" for row, prompt in zip(like, texts, strict=True)]
    return normal(0, question, 0, asked, like)
