"""An unconditional pixel diffusion model, ready to be asked."""

# ruff: noqa: ARG002 - it is handed prompts all the same

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard.api import Step
from leakboard.noise import standard_normal
from leakboard_plugins.victims.gradients import sample_norms
from leakboard_plugins.victims.limits import check_timestep, sampler_steps
from leakboard_plugins.victims.pixel.space import PixelSpaceModel
from leakboard_plugins.victims.predictions import noise_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch
    from diffusers import DDIMScheduler, UNet2DModel

    from leakboard_plugins.victims.gradients import Weights


class PixelModel(PixelSpaceModel):
    """A UNet2DModel under the DDIM sampler with eta = 0 (Song et al. 2010.02502, equation 12).

    Args:
        unet: the denoiser on its device, in eval mode, predicting noise, velocity or the clean image.
        scheduler: configuration of the noise schedule that `DDIMScheduler.from_config` takes; the prediction type is
            epsilon, v_prediction or sample.
    """

    def __init__(self, unet: UNet2DModel, scheduler: dict[str, Any]) -> None:
        super().__init__(unet, scheduler)
        sampler = self._sampler()
        self._prediction: str = sampler.config.prediction_type
        self.alphas_cumprod = sampler.alphas_cumprod.to(unet.device)

    def predict_noise(self, state: torch.Tensor, timestep: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """Predicted noise (N, C, H, W), converted when the network predicts velocity or the clean image.

        Raises:
            Unsupported: the victim has no such timestep.
        """
        self._check_timestep(timestep)
        return self._to_noise(self._denoise(state, timestep), state, timestep)

    def reconstruct(
        self,
        images: torch.Tensor,
        seeds: Sequence[int],
        strength: float,
        steps: int,
        prompts: Sequence[str] | None,
    ) -> Iterator[Step]:
        """Image-to-image by the rule of diffusers: the last ``steps`` of round(steps / strength) sampler steps.

        Noise is added at the first of them. The clean image of the last step is what a pipeline would return.

        Args:
            images: (N, C, H, W) in [0, 1].
            seeds: of the noise, one a sample.
            strength: share of the noise schedule that is gone through, in (0, 1].
            steps: denoiser evaluations a sample, at least 1.
            prompts: not looked at.

        Raises:
            LeakboardError: ``strength`` or ``steps`` is out of range.
            Unsupported: the schedule is too short for so many steps at so small a strength.
        """
        sampler, timesteps = self._schedule(steps, strength)
        inner = self.encode(images)
        start = sampler.add_noise(inner, standard_normal(seeds, inner), timesteps[:1])
        return self._run(sampler, start, timesteps)

    def generate(self, seeds: Sequence[int], steps: int, prompts: Sequence[str] | None) -> torch.Tensor:
        """Samples (N, C, H, W) in [-1, 1] out of pure noise in ``steps`` DDIM steps, one a seed.

        Raises:
            Unsupported: the network does not say how large its images are.
        """
        blank = self._blank(len(seeds))
        sampler, timesteps = self._schedule(steps, 1.0)
        *_, last = self._run(sampler, standard_normal(seeds, blank), timesteps)
        return last.clean

    def gradients(
        self, inner: torch.Tensor, noise: torch.Tensor, timesteps: Sequence[int], prompts: Sequence[str] | None
    ) -> torch.Tensor:
        """(N, parameter tensors): norms of the gradient of each sample's mean squared error of the predicted noise.

        It is the mean over the timesteps. The tensors come in the order of the network's ``named_parameters``.

        Raises:
            Unsupported: the victim has no such timestep.
        """
        import torch
        from torch.func import functional_call

        for timestep in timesteps:
            self._check_timestep(timestep)
        self._check_shape(inner)

        def loss(weights: Weights, clean: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            errors = []
            for timestep in timesteps:
                state = self._noised(clean, target, timestep).unsqueeze(0)
                output = functional_call(self._unet, weights, (state.to(self._unet.dtype), timestep)).sample.float()
                errors.append((self._to_noise(output, state, timestep) - target).square().mean())
            return torch.stack(errors).mean()

        return sample_norms(loss, dict(self._unet.named_parameters()), (inner, noise))

    def state_gradient(
        self, inner: torch.Tensor, noise: torch.Tensor, timestep: int, prompts: Sequence[str] | None
    ) -> torch.Tensor:
        """(N,): norm of the gradient of each sample's mean squared error of the predicted noise by the noisy image.

        Raises:
            Unsupported: the victim has no such timestep.
        """
        import torch

        self._check_timestep(timestep)
        self._check_shape(inner)
        with torch.enable_grad():
            state = self._noised(inner, noise, timestep).requires_grad_()
            error = (self._to_noise(self._network(state, timestep), state, timestep) - noise).square().flatten(1)
            # samples do not meet in the network, so that the gradient of the sum is that of each
            (found,) = torch.autograd.grad(error.mean(1).sum(), state)
        norms: torch.Tensor = found.flatten(1).norm(dim=1)
        return norms

    def _noised(self, clean: torch.Tensor, noise: torch.Tensor, timestep: int) -> torch.Tensor:
        alpha = self.alphas_cumprod[timestep]
        return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise

    def _to_noise(self, output: torch.Tensor, state: torch.Tensor, timestep: int) -> torch.Tensor:
        alpha = self.alphas_cumprod[timestep]
        return noise_of(self._prediction, output, state, alpha.sqrt(), (1 - alpha).sqrt())

    def _run(self, sampler: DDIMScheduler, state: torch.Tensor, timesteps: torch.Tensor) -> Iterator[Step]:
        for place, timestep in enumerate(timesteps.tolist(), start=1):
            result = sampler.step(self._denoise(state, timestep), timestep, state, eta=0.0)
            state = result.prev_sample
            # the two differ when the schedule ends above zero noise; what a pipeline returns is the state
            yield Step(state if place == len(timesteps) else result.pred_original_sample, state)

    def _schedule(self, steps: int, strength: float) -> tuple[DDIMScheduler, torch.Tensor]:
        """A sampler of its own for every question, since samplers carry state, and the timesteps to go down."""
        total = sampler_steps(steps, strength, len(self.alphas_cumprod))
        sampler = self._sampler()
        sampler.set_timesteps(total, device=self.alphas_cumprod.device)
        timesteps: torch.Tensor = sampler.timesteps[-steps:]
        self._check_timestep(int(timesteps[0]))
        return sampler, timesteps

    def _sampler(self) -> DDIMScheduler:
        from diffusers import DDIMScheduler

        return DDIMScheduler.from_config(self._config)

    def _check_timestep(self, timestep: int) -> None:
        check_timestep(timestep, len(self.alphas_cumprod))
