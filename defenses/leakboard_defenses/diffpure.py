"""Purification by a diffusion model."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Defense, LeakboardError, Victim
from leakboard.oracle.fitting import Fitting

if TYPE_CHECKING:
    import torch

    from leakboard.api import Model, Noise

MOST, NUMBERS = 64, 1 << 22
"""Images, and numbers of theirs, that are denoised at once."""


@dataclass(frozen=True, kw_only=True)
class DiffPure(Defense):
    """Noise up to ``strength``, and what a diffusion model of the provider's own makes of that (arXiv 2205.07460).

    Nie et al. 2022, with the deterministic steps of DDIM in place of their stochastic ones: all randomness is the noise
    that is added. The model is opened as a victim is, and should not be the one under attack, or know its members:
    what it has memorised it gives back. It takes the provider ``steps`` denoiser evaluations an image, which are not
    counted as the attacker's.

    Attributes:
        victim: the model, as the spec of a victim that predicts noise; told no text.
        strength: share of its noise schedule that is gone up and down again, in (0, 1].
        steps: denoiser evaluations an image.
    """

    name: ClassVar[str] = "diffpure"
    victim: Victim
    strength: Annotated[float, Field(gt=0, le=1)] = 0.1
    steps: Annotated[int, Field(ge=1, le=1000)] = 10

    def __post_init__(self) -> None:
        offers = self.victim.offers
        if offers is not None and "noise" not in offers:
            raise LeakboardError(
                f"{self.victim.name} predicts no noise, so it cannot purify images",
                expected="a victim with a noise schedule, such as fashion_ddpm",
            )

    def apply(self, images: torch.Tensor, noise: Noise) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to the same, fitted to the model and back as to any victim.

        Raises:
            Unsupported: the images cannot be fitted to the model.
            LeakboardError: it cannot be opened, or its schedule is too short.
        """
        import torch

        model = _opened(self.victim, _state_of(self.victim), str(images.device))
        channels, height, width = images.shape[1:]
        fitting = Fitting((channels, height, width), model.image_shape, self.victim.fit)
        fitting.check()
        timesteps = self._timesteps(len(model.alphas_cumprod))
        room = max(1, min(MOST, NUMBERS // images[0].numel()))
        with torch.no_grad():
            inner = torch.cat([model.encode(fitting.to_victim(part)) for part in torch.split(images, room)])
            drawn = torch.split(noise(inner), room)
            parts = [
                fitting.from_victim(model.decode(_purified(model, part, added, timesteps)).float())
                for part, added in zip(torch.split(inner, room), drawn, strict=True)
            ]
        return torch.cat(parts).to(images)

    def _timesteps(self, length: int) -> list[int]:
        """From the noisiest to the last that the model is asked about."""
        top = round(self.strength * length)
        if top < self.steps:
            raise LeakboardError(
                f"diffpure(strength={self.strength:g}, steps={self.steps}) has {top} timesteps to go down",
                where=f"the {length} timesteps of {self.victim.name}",
                expected=f"at least {self.steps}: a larger strength or fewer steps",
            )
        return [round(top * (self.steps - step) / self.steps) - 1 for step in range(self.steps)]


def _purified(model: Model, inner: torch.Tensor, noise: torch.Tensor, timesteps: list[int]) -> torch.Tensor:
    """What the model makes of its own space (N, ...), noised to the first timestep (DDIM with eta = 0)."""
    levels = [model.alphas_cumprod[timestep].to(inner) for timestep in timesteps]
    state = levels[0].sqrt() * inner + (1 - levels[0]).sqrt() * noise
    for (timestep, level), below in itertools.zip_longest(zip(timesteps, levels, strict=True), levels[1:]):
        predicted = model.predict_noise(state, timestep, None).to(state)
        clean = (state - (1 - level).sqrt() * predicted) / level.sqrt()
        state = clean if below is None else below.sqrt() * clean + (1 - below).sqrt() * predicted
    return state


def _state_of(victim: Victim) -> tuple[tuple[str, int, int], ...]:
    """What tells whether the files of a victim are still those that it was opened from."""
    return tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in victim.files())


@functools.lru_cache(maxsize=1)
def _opened(victim: Victim, state: tuple[tuple[str, int, int], ...], device: str) -> Model:  # noqa: ARG001 - as above
    return victim.open(device)
