"""A latent diffusion model, ready to be asked: what does not depend on how it samples."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from leakboard.api import Model, Unsupported
from leakboard_plugins.victims.flows import NO_NOISE, NO_VELOCITY, check_time
from leakboard_plugins.victims.gradients import sample_norms
from leakboard_plugins.victims.latent.conditions import Labels, Nothing, Texts
from leakboard_plugins.victims.latent.samplers import is_flow, only_at, recorded_outputs, sampler_of
from leakboard_plugins.victims.limits import check_shape, check_timestep, sampler_steps
from leakboard_plugins.victims.predictions import noise_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from leakboard_plugins.victims.gradients import Weights
    from leakboard_plugins.victims.latent.conditions import Conditions, Tensors
    from leakboard_plugins.victims.latent.kinds import Kind

OWN_SIZE = 1024
"""Height and width in pixels where the configuration of a pipeline names none (Z-Image)."""


class LatentModel(Model):
    """An autoencoder and a denoiser of its latents (Rombach et al. 2112.10752), loaded by diffusers.

    The model's own space is scaled latents: the mode of the autoencoder's posterior, shifted and scaled as its
    configuration says. Everything it answers is float32, whatever its weights are.

    Args:
        pipeline: of diffusers, in eval mode, on its device.
        kind: what the pipeline is made of.
        guidance: classifier-free guidance of whole reconstructions and samples; up to 1 is none.
        scheduler: the sampler's name in `leakboard_plugins.victims.latent.samplers`.
        resident: whether all weights stay on the device.
        size: height and width of its images in pixels; None is what the pipeline makes by itself.
        sides: height and width of the latents that it makes by itself, where its configuration names both.

    Raises:
        ValueError: the autoencoder and the denoiser cannot make images of that size.
    """

    round_trip_error = 0.5
    """No autoencoder may lose more than a grey image would."""

    def __init__(
        self,
        pipeline: Any,
        kind: Kind,
        *,
        guidance: float,
        scheduler: str,
        resident: bool,
        size: int | None,
        sides: tuple[int, int] | None = None,
    ) -> None:
        self._pipeline, self._kind, self._guidance, self._resident = pipeline, kind, guidance, resident
        self._sampler_name, self._own = scheduler, pipeline.scheduler
        self._denoiser, self._vae = getattr(pipeline, kind.denoiser), getattr(pipeline, kind.autoencoder)
        self._device = pipeline._execution_device  # noqa: SLF001 - where offloaded models run
        pipeline.set_progress_bar_config(disable=True)
        factor = _factor(pipeline, self._vae)
        height, width = sides if sides and size is None else _latent_size(pipeline, kind, factor, size)
        self._latent_shape = (self._vae.config.latent_channels, height, width)
        self.image_shape = (self._vae.config.in_channels, height * factor, width * factor)

    @property
    def network(self) -> torch.nn.Module:
        """The denoiser."""
        network: torch.nn.Module = self._denoiser
        return network

    @functools.cached_property
    def _conditions(self) -> Conditions:
        if self._kind.text_models:
            assert self.image_shape
            return Texts(self._pipeline, self._kind, self.image_shape[1:])
        if self._kind.unconditional:
            return Nothing()
        return Labels(self._pipeline.labels, self._denoiser.config.num_embeds_ada_norm, self._device)

    @functools.cached_property
    def alphas_cumprod(self) -> torch.Tensor:
        """Cumulative product of the model's own noise schedule, float32 (T,).

        Raises:
            Unsupported: it matches flows.
        """
        if is_flow(self._own):
            raise Unsupported(NO_NOISE)
        schedule: torch.Tensor = self._own.alphas_cumprod.float().to(self._device)
        return schedule

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) in [0, 1] to scaled latents, the mode of the posterior.

        Raises:
            Unsupported: channels or size are not those the victim was made for.
        """
        import torch

        self._check(images, self.image_shape, "images")
        with torch.no_grad(), self._precise_vae() as vae:
            answer = vae.encode(images.to(vae.dtype) * 2 - 1)
            latents = answer.latent_dist.mode() if hasattr(answer, "latent_dist") else answer[0]
        self._pipeline.maybe_free_model_hooks()
        shift, scale = self._scaling(latents)
        scaled: torch.Tensor = (latents - shift) * scale
        return scaled.float()

    def decode(self, inner: torch.Tensor) -> torch.Tensor:
        """Scaled latents to images (N, C, H, W), clamped to [0, 1]."""
        import torch

        with torch.no_grad():
            images = self._decoded(inner)
        self._pipeline.maybe_free_model_hooks()
        return images.clamp(0, 1)

    def _decoded(self, inner: torch.Tensor) -> torch.Tensor:
        """What the autoencoder makes of scaled latents, which may leave [0, 1]."""
        shift, scale = self._scaling(inner)
        with self._precise_vae() as vae:
            images: torch.Tensor = vae.decode((inner / scale + shift).to(vae.dtype)).sample
        return images.float() / 2 + 0.5

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """Predicted noise (N, ...) without guidance, converted when the network predicts velocity or the clean latents.

        Args:
            state: noisy latents, the square root of ``alphas_cumprod[timestep]`` times the clean ones plus noise.
            timestep: from 0.
            prompts: one a sample; None and "" are unconditional.

        Raises:
            Unsupported: the victim has no such timestep, knows no such class, or matches flows.
        """
        import torch

        self._check_timestep(timestep)
        self._check(state, self._latent_shape, "latents")
        with torch.no_grad():
            return self._noise(
                state, timestep, self._conditions.arguments(self._texts(prompts, len(state))), self._denoiser
            )

    def predict_velocity(self, state: torch.Tensor, time: float, prompts: Sequence[str] | None) -> torch.Tensor:
        """Predicted velocity (N, ...) without guidance: what the denoiser's pipeline gives its scheduler to step along.

        The pipeline itself makes one step from the state, on a schedule of that time alone, so scale and sign of time
        and velocity are those of its scheduler. A distilled denoiser is told the guidance 1.

        Args:
            state: (1 - ``time``) of the scaled latents plus ``time`` of the noise.
            time: in (0, 1); the scheduler's sigma.
            prompts: one a sample; None is the empty prompt.

        Raises:
            Unsupported: the state does not fit, or the victim matches no flow.
        """
        if not is_flow(self._own):
            raise Unsupported(NO_VELOCITY)
        check_time(time)
        self._check(state, self._latent_shape, "latents")
        sampler, _ = self._schedule(1, 1.0)
        only_at(sampler, time)
        outputs = recorded_outputs(sampler)
        self._step(sampler, state.to(self._denoiser.dtype), self._texts(prompts, len(state)))
        (velocity,) = outputs
        return self._unpacked(velocity.float())

    def gradients(
        self, inner: torch.Tensor, noise: torch.Tensor, timesteps: Sequence[int], prompts: Sequence[str] | None
    ) -> torch.Tensor:
        """(N, parameter tensors): norms of the gradient of each sample's mean squared error of the predicted noise.

        It is the mean over the timesteps. The tensors come in the order of the denoiser's ``named_parameters``;
        nothing is guided.

        Raises:
            Unsupported: as `predict_noise`, or the weights are offloaded.
        """
        import torch
        from torch.func import functional_call
        from torch.utils._pytree import tree_map

        for timestep in timesteps:
            self._check_timestep(timestep)
        self._check_gradients(inner)

        def loss(weights: Weights, clean: torch.Tensor, target: torch.Tensor, condition: Any) -> torch.Tensor:
            one = tree_map(lambda each: each.unsqueeze(0), condition)

            def denoiser(**arguments: Any) -> Any:
                return functional_call(self._denoiser, weights, (), arguments)

            errors = [
                (self._noise(self._noised(clean, target, t).unsqueeze(0), t, one, denoiser) - target).square().mean()
                for t in timesteps
            ]
            return torch.stack(errors).mean()

        conditions = self._conditions.arguments(self._texts(prompts, len(inner)))
        weights = dict(self._denoiser.named_parameters())
        return sample_norms(loss, weights, (inner.float(), noise.float(), conditions))

    def _step(self, sampler: Any, state: torch.Tensor, texts: list[str]) -> None:
        """Let the pipeline make the one step of a sampler's schedule from a state, without guidance."""
        raise NotImplementedError

    def _unpacked(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (N, C, H, W) out of those that the pipeline works with."""
        return latents

    def state_gradient(
        self, inner: torch.Tensor, noise: torch.Tensor, timestep: int, prompts: Sequence[str] | None
    ) -> torch.Tensor:
        """(N,): norm of the gradient of each sample's mean squared error of the predicted noise by the noisy latents.

        Raises:
            Unsupported: as `gradients`.
        """
        import torch

        self._check_timestep(timestep)
        self._check_gradients(inner)
        conditions = self._conditions.arguments(self._texts(prompts, len(inner)))
        with torch.enable_grad():
            state = self._noised(inner.float(), noise.float(), timestep).requires_grad_()
            error = (self._noise(state, timestep, conditions, self._denoiser) - noise).square().flatten(1)
            # samples do not meet in the network, so that the gradient of the sum is that of each
            (found,) = torch.autograd.grad(error.mean(1).sum(), state)
        norms: torch.Tensor = found.flatten(1).norm(dim=1)
        return norms

    def decoder_gain(self, inner: torch.Tensor, probes: Sequence[torch.Tensor]) -> torch.Tensor:
        """Diagonal of J^T J of the decoder (N, ...), the mean over probes u of (J^T u)^2.

        Raises:
            Unsupported: as `gradients`.
        """
        import torch

        self._check_gradients(inner)
        with torch.enable_grad():
            latents = inner.float().requires_grad_()
            images = self._decoded(latents)
            total = torch.zeros_like(latents)
            for probe in probes:
                (found,) = torch.autograd.grad((images * probe).sum(), latents, retain_graph=True)
                total += found.square()
        return (total / len(probes)).detach()

    def _check_gradients(self, inner: torch.Tensor) -> None:
        import torch

        self._check(inner, self._latent_shape, "latents")
        if not self._resident:
            raise Unsupported("gradients need all weights on the device: offload='no'")
        if self._denoiser.dtype == torch.float16:
            raise Unsupported("gradients vanish in half precision: dtype='float32' or 'bfloat16'")

    def _noised(self, clean: torch.Tensor, noise: torch.Tensor, timestep: int) -> torch.Tensor:
        level = self.alphas_cumprod[timestep]
        return level.sqrt() * clean + (1 - level).sqrt() * noise

    def _noise(self, state: torch.Tensor, timestep: int, conditions: Tensors, denoiser: Any) -> torch.Tensor:
        import torch

        times = torch.full((len(state),), timestep, device=state.device)
        output = self._output(state.to(self._denoiser.dtype), times, conditions, denoiser).float()
        level = self.alphas_cumprod[timestep]
        return noise_of(self._own.config.prediction_type, output, state.float(), level.sqrt(), (1 - level).sqrt())

    def _output(self, state: torch.Tensor, times: torch.Tensor, conditions: Tensors, denoiser: Any) -> torch.Tensor:
        """What the denoiser says, without the variance that some learn beside it."""
        name = "sample" if self._kind.denoiser == "unet" else "hidden_states"
        output: torch.Tensor = denoiser(**{name: state, "timestep": times, **conditions}, return_dict=False)[0]
        return output[:, : self._latent_shape[0]]

    def _texts(self, prompts: Sequence[str] | None, count: int) -> list[str]:
        return [""] * count if prompts is None else list(prompts)

    def _generators(self, seeds: Sequence[int]) -> list[torch.Generator]:
        """One a sample, as whoever repeats this with diffusers makes them: ``manual_seed(seed % 2**63)`` on the CPU."""
        import torch

        return [torch.Generator().manual_seed(seed % 2**63) for seed in seeds]

    def _schedule(self, steps: int, strength: float) -> tuple[Any, int]:
        """A sampler of its own for every question, and how many steps its whole schedule has."""
        total = sampler_steps(steps, strength, self._own.config.num_train_timesteps)
        sampler = sampler_of(self._sampler_name, self._own)
        if not is_flow(sampler):
            sampler.set_timesteps(total)
            if len(sampler.timesteps) != total:
                raise Unsupported(f"{type(sampler).__name__} makes no {total} steps of the noise schedule")
            self._check_timestep(int(sampler.timesteps[-steps]))
        return sampler, total

    def _scaling(self, latents: torch.Tensor) -> tuple[Any, Any]:
        """What is taken from latents, and what they are then multiplied with."""
        config = self._vae.config
        mean, deviation = config.get("latents_mean"), config.get("latents_std")
        if mean is None or deviation is None:
            return config.get("shift_factor") or 0.0, config.scaling_factor
        shift, spread = (latents.new_tensor(values).view(1, -1, 1, 1) for values in (mean, deviation))
        return shift, config.scaling_factor / spread

    @contextlib.contextmanager
    def _precise_vae(self) -> Iterator[Any]:
        """The autoencoder, for this long in float32 where half precision would overflow, as diffusers does."""
        import torch

        before = self._vae.dtype
        if self._kind.upcasts and before == torch.float16 and self._vae.config.get("force_upcast"):
            self._vae.to(torch.float32)
        try:
            yield self._vae
        finally:
            if self._vae.dtype != before:
                self._vae.to(before)

    def _check(self, tensor: torch.Tensor, expected: tuple[int, ...] | None, what: str) -> None:
        check_shape(tensor.shape[1:], expected or (), what, "fit='pad' or 'resize' makes images fit")

    def _check_timestep(self, timestep: int) -> None:
        check_timestep(timestep, len(self.alphas_cumprod))


def _factor(pipeline: Any, autoencoder: Any) -> int:
    """How many times smaller latents are than images; the pipelines of DiT and LDM do not say."""
    stated: int | None = getattr(pipeline, "vae_scale_factor", None)
    return stated or 2 ** (len(autoencoder.config.block_out_channels) - 1)


def _latent_size(pipeline: Any, kind: Kind, factor: int, size: int | None) -> tuple[int, int]:
    """Height and width of the latents: for images of ``size``, or what the pipeline makes by itself."""
    config = getattr(pipeline, kind.denoiser).config
    if size is None:
        own: int = config.get("sample_size") or getattr(pipeline, "default_sample_size", None) or OWN_SIZE // factor
        return own, own
    patch = config.get("patch_size")
    step = factor * max(kind.patch, patch if isinstance(patch, int) else 1)
    if size % step:
        raise ValueError(f"images of {size} pixels cannot be made, only multiples of {step}")
    return size // factor, size // factor
