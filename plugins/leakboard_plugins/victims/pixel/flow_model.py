"""An unconditional pixel model that matches flows, ready to be asked."""

# ruff: noqa: ARG002 - it is handed prompts all the same

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.api import Model, Step, Unsupported
from leakboard.noise import standard_normal
from leakboard_plugins.victims.flows import NO_NOISE, check_time
from leakboard_plugins.victims.limits import check_shape, sampler_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, UNet2DModel


class FlowPixelModel(Model):
    """A UNet2DModel that predicts velocities, stepped along by Euler (Liu et al. 2209.03003, algorithm 1).

    The model's own space is images scaled to [-1, 1]. It takes no text, so prompts are not looked at. A whole schedule
    of n steps goes through the shares of noise 1, (n - 1) / n, ..., 1 / n, 0, which the scheduler may shift.

    Args:
        unet: the denoiser on its device, in eval mode.
        scheduler: configuration that `FlowMatchEulerDiscreteScheduler.from_config` takes.
    """

    def __init__(self, unet: UNet2DModel, scheduler: dict[str, Any]) -> None:
        self._unet = unet
        self._config = scheduler
        self._length: int = self._sampler().config.num_train_timesteps
        size = unet.config.sample_size
        height, width = (size, size) if isinstance(size, int) else size or (None, None)
        self.image_shape = (unet.config.in_channels, height, width) if height and width else None

    @functools.cached_property
    def alphas_cumprod(self) -> torch.Tensor:
        """There is none.

        Raises:
            Unsupported: always.
        """
        raise Unsupported(NO_NOISE)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) from [0, 1] to [-1, 1].

        Raises:
            Unsupported: channels or size are not those the victim was made for.
        """
        self._check_shape(images)
        return images * 2 - 1

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """Back from [-1, 1] to [0, 1], clamped."""
        return ((inner + 1) / 2).clamp(0, 1)

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
        import torch

        if self.image_shape is None:
            raise Unsupported("the victim does not say how large its images are, so it generates none")
        sampler, first = self._schedule(steps, 1.0)
        blank = torch.zeros(len(seeds), *self.image_shape, device=self._unet.device)
        *_, last = self._run(sampler, standard_normal(seeds, blank), first)
        return last.clean

    def _velocity(self, state: torch.Tensor, timestep: float) -> torch.Tensor:
        import torch

        self._check_shape(state)
        # the network would cut a plain number to a whole one
        times = torch.full((len(state),), timestep, dtype=torch.float32, device=state.device)
        with torch.inference_mode():
            output = self._unet(state.contiguous(memory_format=torch.channels_last), times).sample
        # a copy made outside is an ordinary tensor, which callers may change in place or differentiate through
        copy: torch.Tensor = output.clone(memory_format=torch.contiguous_format)
        return copy

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

    def _check_shape(self, images: torch.Tensor) -> None:
        expected = self.image_shape or (self._unet.config.in_channels, *images.shape[2:])
        advice = "for your own images: folder(..., size=..., mode='L' or 'RGB')"
        check_shape(images.shape[1:], expected, "images", advice)
