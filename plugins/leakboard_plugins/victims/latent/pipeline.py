"""Latent models that diffusers has an image-to-image pipeline for: Stable Diffusion 1, 2, XL and 3."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from leakboard.api import Step, Unsupported
from leakboard_plugins.victims.latent.conditions import Texts
from leakboard_plugins.victims.latent.model import LatentModel
from leakboard_plugins.victims.latent.samplers import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from leakboard_plugins.victims.latent.kinds import Kind


def exact_strength(pipeline: Any, steps: int, total: int) -> float:
    """The strength at which a pipeline makes the last ``steps`` of ``total`` steps.

    Pipelines round their product each in its own way, and the nearest float may fall on the wrong side.
    """
    nearest = steps / total
    for strength in (nearest, math.nextafter(nearest, 1), math.nextafter(nearest, 0)):
        counted = SimpleNamespace(scheduler=SimpleNamespace(timesteps=range(total), order=1))
        timesteps, _ = type(pipeline).get_timesteps(counted, total, strength, "cpu")
        if len(timesteps) == steps:
            return strength
    raise Unsupported(f"{type(pipeline).__name__} makes no {steps} of {total} steps")


class PipelineModel(LatentModel):
    """A latent model that samples through diffusers' own pipelines, so that its numbers are what their users get.

    Images are encoded to a sample of the posterior, by the generator that then draws the noise. States of samplers
    that work with growing variance (Euler) are in the sampler's own scale.
    """

    def __init__(self, pipeline: Any, kind: Kind, **settings: Any) -> None:
        from diffusers import AutoPipelineForImage2Image

        super().__init__(pipeline, kind, **settings)
        self._to_image = AutoPipelineForImage2Image.from_pipe(pipeline)
        self._to_image.set_progress_bar_config(disable=True)

    def reconstruct(
        self, images: torch.Tensor, seeds: Sequence[int], strength: float, steps: int, prompts: Sequence[str] | None
    ) -> Iterator[Step]:
        """Image-to-image: the last ``steps`` of round(steps / strength) sampler steps; nothing is decoded.

        Args:
            images: (N, C, H, W) in [0, 1].
            seeds: one a sample; its generator is ``torch.Generator().manual_seed(seed % 2**63)``.
            strength: share of the noise schedule that is gone through, in (0, 1].
            steps: sampler steps, at least 1.
            prompts: one a sample; None is the empty prompt.

        Raises:
            LeakboardError: ``strength`` or ``steps`` is out of range.
            Unsupported: the images do not fit, or the schedule or sampler has no such steps.
        """
        self._check(images, self.image_shape, "images")
        sampler, total = self._schedule(steps, strength)
        recorder = Recorder(sampler)
        self._run(
            self._to_image,
            sampler,
            seeds,
            prompts,
            image=images,
            strength=exact_strength(self._to_image, steps, total),
            num_inference_steps=total,
            callback_on_step_end=recorder.keep,
        )
        return iter(recorder.finished(steps))

    def generate(self, seeds: Sequence[int], steps: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """Scaled latents (N, ...) of new images, one a seed, from the text-to-image pipeline.

        Raises:
            LeakboardError: ``steps`` is out of range.
            Unsupported: the schedule or sampler has no such steps.
        """
        assert self.image_shape
        _, height, width = self.image_shape
        sampler, total = self._schedule(steps, 1.0)
        size = {"height": height, "width": width}
        latents = self._run(self._pipeline, sampler, seeds, prompts, num_inference_steps=total, **size)
        return latents.float()

    def _step(self, sampler: Any, state: torch.Tensor, texts: list[str]) -> None:
        height, width = (side * self._pipeline.vae_scale_factor for side in state.shape[2:])
        arguments = {"latents": state, "height": height, "width": width, "num_inference_steps": 1}
        self._run(self._pipeline, sampler, range(len(texts)), texts, guidance=1.0, **arguments)

    def _run(
        self,
        pipeline: Any,
        sampler: Any,
        seeds: Sequence[int],
        prompts: Sequence[str] | None,
        guidance: float | None = None,
        **arguments: Any,
    ) -> torch.Tensor:
        assert isinstance(self._conditions, Texts)
        guidance = guidance or self._guidance
        embeddings = self._conditions.for_pipeline(self._texts(prompts, len(seeds)), guidance > 1)
        pipeline.scheduler = sampler
        latents: torch.Tensor = pipeline(
            guidance_scale=guidance,
            generator=self._generators(seeds),
            output_type="latent",
            **arguments,
            **embeddings,
        ).images
        self._pipeline.maybe_free_model_hooks()  # image-to-image shares the networks, but not the hooks
        return latents
