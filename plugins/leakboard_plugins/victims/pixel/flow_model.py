"""An unconditional pixel model that matches flows, ready to be asked."""

# ruff: noqa: ARG002 - it is handed prompts all the same

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.api import Step, Unsupported
from leakboard.noise import standard_normal
from leakboard_plugins.victims.flows import NO_NOISE, check_time
from leakboard_plugins.victims.limits import sampler_steps
from leakboard_plugins.victims.pixel.space import PixelSpaceModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, UNet2DModel


class FlowPixelModel(PixelSpaceModel):
    """A UNet2DModel that predicts velocities, stepped along by Euler (Liu et al. 2209.03003, algorithm 1).

    A whole schedule of n steps goes through the shares of noise 1, (n - 1) / n, ..., 1 / n, 0, which the scheduler may
    shift.

    Args:
        unet: the denoiser on its device, in eval mode.
        scheduler: configuration that `FlowMatchEulerDiscreteScheduler.from_config` takes.
    """

    def __init__(self, unet: UNet2DModel, scheduler: dict[str, Any]) -> None:
        super().__init__(unet, scheduler)
        self._length: int = self._sampler().config.num_train_timesteps

    @functools.cached_property
    def alphas_cumprod(self) -> torch.Tensor:
        """There is none.

        Raises:
            Unsupported: always.
        """
        raise Unsupported(NO_NOISE)

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """It predicts none.

        Raises:
            Unsupported: always.
        """
        raise Unsupported(NO_NOISE)

    def predict_velocity(self, state: torch.Tensor, time: float, prompts: Sequence[str] | None) -> torch.Tensor:
        """Predicted noise minus clean image (N, C, H, W): the network's output, told ``time`` times its timesteps.

        Raises:
            Unsupported: the time is not in (0, 1), or the state does not fit.
        """
        check_time(time)
        return self._velocity(state, time * self._length)

    def reconstruct(
        self,
        images: torch.Tensor,
        seeds: Sequence[int],
        strength: float,
        steps: int,
        prompts: Sequence[str] | None,
    ) -> Iterator[Step]:
        """Image-to-image: noised up to ``strength``, then the last ``steps`` of round(steps / strength) Euler steps.

        Args:
            images: (N, C, H, W) in [0, 1].
            seeds: of the noise, one a sample.
            strength: share of noise in the state it begins with, before the scheduler shifts it; in (0, 1].
            steps: denoiser evaluations a sample, at least 1.
            prompts: not looked at.

        Raises:
            LeakboardError: ``strength`` or ``steps`` is out of range.
            Unsupported: the scheduler has fewer timesteps than so many steps at so small a strength need.
        """
        sampler, first = self._schedule(steps, strength)
        clean = self.encode(images)
        share = sampler.sigmas[first].to(clean)
        return self._run(sampler, (1 - share) * clean + share * standard_normal(seeds, clean), first)

    def generate(self, seeds: Sequence[int], steps: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """Samples (N, C, H, W) in [-1, 1] out of pure noise in ``steps`` Euler steps, one a seed.

        Raises:
            Unsupported: the network does not say how large its images are.
        """
        blank = self._blank(len(seeds))
        sampler, first = self._schedule(steps, 1.0)
        *_, last = self._run(sampler, standard_normal(seeds, blank), first)
        return last.clean

    def _velocity(self, state: torch.Tensor, timestep: float) -> torch.Tensor:
        import torch

        # the network would cut a plain number to a whole one
        return self._denoise(state, torch.full((len(state),), timestep, dtype=torch.float32, device=state.device))

    def _run(self, sampler: FlowMatchEulerDiscreteScheduler, state: torch.Tensor, first: int) -> Iterator[Step]:
        timesteps, shares = sampler.timesteps[first:], sampler.sigmas[first:]
        for timestep, share in zip(timesteps, shares, strict=False):
            velocity = self._velocity(state, timestep.item())
            clean = state - share.to(state) * velocity
            state = sampler.step(velocity, timestep, state).prev_sample
            yield Step(clean, state)

    def _schedule(self, steps: int, strength: float) -> tuple[FlowMatchEulerDiscreteScheduler, int]:
        """A sampler of its own for every question, since samplers carry state, and the place of the first step."""
        total = sampler_steps(steps, strength, self._length)
        sampler = self._sampler()
        # by itself it would end at the least share of noise that it knows, and make the last step for nothing
        sampler.set_timesteps(sigmas=np.linspace(1, 1 / total, total).tolist())
        sampler.set_begin_index(total - steps)
        return sampler, total - steps

    def _sampler(self) -> FlowMatchEulerDiscreteScheduler:
        from diffusers import FlowMatchEulerDiscreteScheduler

        return FlowMatchEulerDiscreteScheduler.from_config(self._config)
