"""A finished checkpoint, opened to be measured: how it denoises, and what it generates."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leakboard.recipe import STATE, Checkpoint
from leakboard.training.autoencoder import fitting, latents_of
from leakboard.training.latent import token_ids
from leakboard.training.opening import opening
from leakboard.training.quality import SAMPLING_STEPS, denoising_losses, sample_flow, sample_images, velocity_losses

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from diffusers import StableDiffusionPipeline

    from leakboard.api import Samples

GUIDANCE = 1.0
"""Of the images that a text-to-image checkpoint generates for its sample-quality figure: none."""


class PixelCheckpoint(Checkpoint):
    """A checkpoint of a pixel recipe in float32.

    Args:
        folder: the checkpoint's.
        device: where it is asked.
        seed: of the noise it is asked about, and starts from.

    Raises:
        LeakboardError: it is missing or damaged.
    """

    scheduler: ClassVar[str] = "DDPMScheduler"
    """Class of its scheduler in diffusers."""
    loss_rule = "mean squared error of predicted noise, same noise and timesteps for both, whole schedule"

    def __init__(self, folder: Path, device: str, seed: int) -> None:
        import diffusers

        with opening(folder, remade_without=folder.parent / STATE):
            unet = diffusers.UNet2DModel.from_pretrained(
                folder, subfolder="unet", use_safetensors=True, local_files_only=True
            )
            scheduler = getattr(diffusers, self.scheduler).from_pretrained(
                folder, subfolder="scheduler", local_files_only=True
            )
        unet = unet.float().eval().requires_grad_(False).to(device)
        self._pipeline = diffusers.DDPMPipeline(unet=unet, scheduler=scheduler)
        self.network = unet
        self._device, self._seed = device, seed

    def losses(self, samples: Samples) -> torch.Tensor:
        """Denoising loss of each sample."""
        return denoising_losses(self._pipeline, (samples.images * 2 - 1).to(self._device), self._seed)

    def generated(self, like: Samples, count: int) -> torch.Tensor:  # noqa: ARG002 - it has its own size, and no text
        """``count`` new images, DDIM with eta = 0."""
        return sample_images(self._pipeline, count, self._seed)


class StudentCheckpoint(PixelCheckpoint):
    """A checkpoint of a distillation: as a pixel checkpoint, which generates in as many steps as it was made for.

    Args:
        folder: the checkpoint's.
        device: where it is asked.
        seed: of the noise it is asked about, and starts from.
        steps: that it makes.

    Raises:
        LeakboardError: it is missing or damaged.
    """

    def __init__(self, folder: Path, device: str, seed: int, steps: int) -> None:
        super().__init__(folder, device, seed)
        self.conditions = {"steps": steps}

    def generated(self, like: Samples, count: int) -> torch.Tensor:  # noqa: ARG002 - it has its own size, and no text
        """``count`` new images, DDIM with eta = 0 in its few steps."""
        return sample_images(self._pipeline, count, self._seed, self.conditions["steps"])


class FlowCheckpoint(PixelCheckpoint):
    """A checkpoint of a flow recipe in float32: as a pixel checkpoint, asked for velocities."""

    scheduler = "FlowMatchEulerDiscreteScheduler"
    loss_rule = "mean squared error of predicted velocity, same noise and times for both, all of (0, 1)"

    def losses(self, samples: Samples) -> torch.Tensor:
        """Loss of each sample."""
        return velocity_losses(self._pipeline, (samples.images * 2 - 1).to(self._device), self._seed)

    def generated(self, like: Samples, count: int) -> torch.Tensor:  # noqa: ARG002 - it has its own size, and no text
        """``count`` new images, by Euler."""
        return sample_flow(self._pipeline, count, self._seed)


class LatentCheckpoint(Checkpoint):
    """A checkpoint of a latent recipe in float32, asked in latent space, with captions.

    Args:
        folder: the checkpoint's.
        device: where it is asked.
        seed: of the noise it is asked about, and starts from.
        size: side of the images that its autoencoder takes.

    Raises:
        LeakboardError: it is missing or damaged.
    """

    loss_rule = f"{PixelCheckpoint.loss_rule}, in latent space, each sample told its caption"
    conditions = {  # noqa: RUF012 - read only, as the contract says
        "guidance": GUIDANCE,
        "steps": SAMPLING_STEPS,
        "prompts": "captions of held-out images",
    }

    def __init__(self, folder: Path, device: str, seed: int, size: int) -> None:
        with opening(folder, remade_without=folder.parent / STATE):
            pipeline = self._load(folder)
        pipeline.set_progress_bar_config(disable=True)
        for module in (pipeline.vae, pipeline.unet, pipeline.text_encoder):
            module.float().eval().requires_grad_(False)
        self._pipeline, self._device, self._seed, self._size = pipeline.to(device), device, seed, size

    def _load(self, folder: Path) -> StableDiffusionPipeline:
        from diffusers import StableDiffusionPipeline

        return StableDiffusionPipeline.from_pretrained(folder, use_safetensors=True, local_files_only=True)

    def losses(self, samples: Samples) -> torch.Tensor:
        """Denoising loss of each sample, with its own caption."""
        import torch

        assert samples.prompts is not None
        vae, tokenizer = self._pipeline.vae, self._pipeline.tokenizer
        fitted = fitting(samples.image_shape, self._size).to_victim(samples.images)
        latents = latents_of(vae, (fitted * 2 - 1).to(self._device), vae.config.scaling_factor)
        with torch.no_grad():
            embeddings = self._pipeline.text_encoder(token_ids(tokenizer, samples.prompts).to(self._device))[0]
        return denoising_losses(self._pipeline, latents, self._seed, embeddings=embeddings)

    def generated(self, like: Samples, count: int) -> torch.Tensor:
        """``count`` images out of the captions of ``like``, cut to its size; DDIM with eta = 0."""
        import torch

        assert like.prompts is not None
        prompts = np.random.default_rng(self._seed).permutation(np.array(like.prompts))
        images = self._pipeline(
            np.resize(prompts, count).tolist(),
            generator=torch.Generator().manual_seed(self._seed),
            guidance_scale=GUIDANCE,
            num_inference_steps=SAMPLING_STEPS,
            output_type="np",
        ).images
        fit = fitting(like.image_shape, self._size)
        return fit.from_victim(torch.from_numpy(images).permute(0, 3, 1, 2)).contiguous()
