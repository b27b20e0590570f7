"""Latent models that match flows, asked through the pipelines of diffusers: Flux, Z-Image, Sana and their kin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard.api import Step
from leakboard.quiet import quiet
from leakboard_plugins.victims.latent.kinds import TO_IMAGE
from leakboard_plugins.victims.latent.model import LatentModel
from leakboard_plugins.victims.latent.pipeline import exact_strength
from leakboard_plugins.victims.latent.samplers import Recorder, after_setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from leakboard_plugins.victims.latent.kinds import Kind


class _ScheduleSetError(Exception):
    """A pipeline has set its schedule, and nothing more is wanted of it."""


class FlowModel(LatentModel):
    """A latent model that follows straight flows from noise to image (Lipman et al. 2210.02747).

    Where diffusers has an image-to-image pipeline, that one runs. Where it has none, the text-to-image pipeline makes
    its last steps, from the mode of the posterior with as much noise as its schedule has before the first of them.
    It predicts velocities; questions about predicted noise are not answered, for there is no ``alphas_cumprod``.
    """

    def __init__(self, pipeline: Any, kind: Kind, **settings: Any) -> None:
        super().__init__(pipeline, kind, **settings)
        if kind.distilled and self._guidance > 1 and not self._denoiser.config.guidance_embeds:
            raise ValueError(f"its denoiser takes no guidance, but guidance={self._guidance}")
        self._to_image = _to_image(pipeline) if kind.image_to_image else None
        self._sigmas: dict[int, torch.Tensor] = {}

    def reconstruct(
        self, images: torch.Tensor, seeds: Sequence[int], strength: float, steps: int, prompts: Sequence[str] | None
    ) -> Iterator[Step]:
        """Image-to-image: the last ``steps`` of round(steps / strength) sampler steps; nothing is decoded.

        Args:
            images: (N, C, H, W) in [0, 1].
            seeds: one a sample; its generator is ``torch.Generator().manual_seed(seed % 2**63)``.
            strength: share of the sampler steps that are made, in (0, 1].
            steps: sampler steps, at least 1.
            prompts: one a sample; None is the empty prompt.

        Raises:
            LeakboardError: ``strength`` or ``steps`` is out of range.
            Unsupported: the images do not fit, or the sampler makes no such steps.
        """
        self._check(images, self.image_shape, "images")
        sampler, total = self._schedule(steps, strength)
        generators = self._generators(seeds)
        begin: dict[str, Any]
        if self._to_image is not None:
            begin = {"image": images, "strength": exact_strength(self._to_image, steps, total)}
        else:
            begin = {"latents": self._noisy(images, generators, steps, total)}
            _shorten(sampler, steps)
        recorder = Recorder(sampler)
        self._run(
            self._to_image or self._pipeline,
            sampler,
            self._texts(prompts, len(seeds)),
            total,
            generator=generators,
            callback_on_step_end=recorder.keep,
            **begin,
        )
        return iter([Step(self._unpacked(step.clean), self._unpacked(step.state)) for step in recorder.finished(steps)])

    def generate(self, seeds: Sequence[int], steps: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """Scaled latents (N, ...) of new images, one a seed, from the text-to-image pipeline.

        Raises:
            LeakboardError: ``steps`` is out of range.
            Unsupported: the sampler makes no such steps.
        """
        sampler, total = self._schedule(steps, 1.0)
        texts = self._texts(prompts, len(seeds))
        latents = self._run(self._pipeline, sampler, texts, total, generator=self._generators(seeds))
        return self._unpacked(latents.float())

    def _step(self, sampler: Any, state: torch.Tensor, texts: list[str]) -> None:
        self._run(self._pipeline, sampler, texts, 1, guidance=1.0, latents=self._packed(state))

    def _run(
        self, pipeline: Any, sampler: Any, texts: list[str], total: int, guidance: float | None = None, **arguments: Any
    ) -> torch.Tensor:
        assert self.image_shape
        _, height, width = self.image_shape
        pipeline.scheduler = sampler
        with quiet():
            latents: torch.Tensor = pipeline(
                prompt=texts,
                height=height,
                width=width,
                num_inference_steps=total,
                guidance_scale=(guidance or self._guidance) - 1 + self._kind.unguided,
                output_type="latent",
                **arguments,
                **self._kind.arguments,
            ).images
        self._pipeline.maybe_free_model_hooks()  # image-to-image shares the networks, but not the hooks
        return latents

    def _noisy(self, images: torch.Tensor, generators: list[torch.Generator], steps: int, total: int) -> torch.Tensor:
        """Latents with as much noise as there is before the last steps of a schedule."""
        from diffusers.utils.torch_utils import randn_tensor

        clean = self.encode(images)
        noise: torch.Tensor = randn_tensor(clean.shape, generators, clean.device, clean.dtype)
        sigma = self._levels(total)[-steps - 1].to(clean)
        return ((1 - sigma) * clean + sigma * noise).to(self._denoiser.dtype)

    def _levels(self, total: int) -> torch.Tensor:
        """Shares of noise (total + 1,) of a whole schedule, as the pipeline sets it for images of this size."""
        if total not in self._sigmas:
            sampler, _ = self._schedule(total, 1.0)
            after_setting(sampler, _stop)
            try:
                self._run(self._pipeline, sampler, [""], total)
            except _ScheduleSetError:
                self._sigmas[total] = sampler.sigmas
        return self._sigmas[total]

    def _packed(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents as the pipeline takes them, which packs squares of some into rows."""
        if self._kind.patch == 1:
            return latents
        packed: torch.Tensor = self._pipeline._pack_latents(latents, *latents.shape)  # noqa: SLF001 - as below
        return packed

    def _unpacked(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (N, C, H, W) out of those that the pipeline packs squares of into rows."""
        if self._kind.patch == 1:
            return latents
        assert self.image_shape
        unpacked: torch.Tensor = self._pipeline._unpack_latents(  # noqa: SLF001 - diffusers has no public name for it
            latents, *self.image_shape[1:], self._pipeline.vae_scale_factor
        )
        return unpacked


def _stop() -> None:
    raise _ScheduleSetError


def _to_image(pipeline: Any) -> Any:
    """The image-to-image pipeline of diffusers that shares the networks of a text-to-image pipeline."""
    import diffusers

    name = type(pipeline).__name__.replace("Pipeline", TO_IMAGE)
    opened = getattr(diffusers, name)(**pipeline.components)
    opened.set_progress_bar_config(disable=True)
    return opened


def _shorten(sampler: Any, steps: int) -> None:
    """From now on a sampler makes only the last ``steps`` of whatever schedule a pipeline sets."""

    def shorten() -> None:
        sampler.timesteps, sampler.sigmas = sampler.timesteps[-steps:], sampler.sigmas[-steps - 1 :]

    after_setting(sampler, shorten)
