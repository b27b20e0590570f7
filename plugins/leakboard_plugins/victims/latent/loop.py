"""Latent models that diffusers has no image-to-image pipeline for: DiT, which takes classes, and PixArt, texts."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from leakboard_plugins.victims.latent.model import LatentModel
from leakboard_plugins.victims.latent.samplers import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from leakboard.api import Step


class LoopModel(LatentModel):
    """A latent model under a sampling loop of our own, which makes the steps of its text- or class-to-image pipeline.

    DiT (Peebles and Xie 2212.09748) takes a class by name or number; PixArt (Chen et al. 2310.00426) a text.
    """

    def reconstruct(
        self, images: torch.Tensor, seeds: Sequence[int], strength: float, steps: int, prompts: Sequence[str] | None
    ) -> Iterator[Step]:
        """Image-to-image by the rule of diffusers: the last ``steps`` of round(steps / strength) sampler steps.

        Noise is added to the mode of the posterior at the first of them.

        Args:
            images: (N, C, H, W) in [0, 1].
            seeds: one a sample; its generator is ``torch.Generator().manual_seed(seed % 2**63)``.
            strength: share of the noise schedule that is gone through, in (0, 1].
            steps: sampler steps, at least 1.
            prompts: one a sample; None and "" are unconditional.

        Raises:
            LeakboardError: ``strength`` or ``steps`` is out of range.
            Unsupported: the images do not fit, a prompt is no class, or the schedule has no such steps.
        """
        sampler, total = self._schedule(steps, strength)
        generators = self._generators(seeds)
        sampler.set_timesteps(total, device=self._device)
        if hasattr(sampler, "set_begin_index"):
            sampler.set_begin_index(total - steps)
        start = sampler.timesteps[-steps:][:1].repeat(len(seeds))
        latents = self.encode(images).to(self._denoiser.dtype)
        state = sampler.add_noise(latents, self._drawn(generators), start)
        return iter(self._walk(sampler, state, steps, generators, prompts, guided=self._guidance > 1))

    def generate(self, seeds: Sequence[int], steps: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """Scaled latents (N, ...) of new images, one a seed.

        Raises:
            LeakboardError: ``steps`` is out of range.
            Unsupported: a prompt is no class, or the schedule has no such steps.
        """
        sampler, total = self._schedule(steps, 1.0)
        generators = self._generators(seeds)
        sampler.set_timesteps(total, device=self._device)
        state = self._drawn(generators) * sampler.init_noise_sigma
        return self._walk(sampler, state, steps, generators, prompts, guided=self._guidance > 1)[-1].state

    def _step(self, sampler: Any, state: torch.Tensor, texts: list[str]) -> None:
        sampler.set_timesteps(1, device=self._device)
        self._walk(sampler, state, 1, self._generators(range(len(texts))), texts, guided=False)

    def _drawn(self, generators: list[torch.Generator]) -> torch.Tensor:
        from diffusers.utils.torch_utils import randn_tensor

        shape = (len(generators), *self._latent_shape)
        drawn: torch.Tensor = randn_tensor(shape, generators, self._device, self._denoiser.dtype)
        return drawn

    def _walk(
        self,
        sampler: Any,
        state: torch.Tensor,
        steps: int,
        generators: list[torch.Generator],
        prompts: Sequence[str] | None,
        *,
        guided: bool,
    ) -> list[Step]:
        import torch

        texts = self._texts(prompts, len(state))
        conditions = self._conditions.arguments(texts + [""] * len(texts) if guided else texts)
        options = {"generator": generators} if "generator" in inspect.signature(sampler.step).parameters else {}
        recorder = Recorder(sampler)
        for place, timestep in enumerate(sampler.timesteps[-steps:]):
            scaled = sampler.scale_model_input(torch.cat([state, state]) if guided else state, timestep)
            with torch.no_grad():
                output = self._output(scaled, timestep.expand(len(scaled)), conditions, self._denoiser)
            if guided:
                conditional, free = output.chunk(2)
                output = free + self._guidance * (conditional - free)
            state = sampler.step(output, timestep, state, **options).prev_sample
            recorder.keep(None, place, timestep, {"latents": state})
        self._pipeline.maybe_free_model_hooks()
        return recorder.finished(steps)
