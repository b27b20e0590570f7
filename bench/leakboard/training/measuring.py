"""A finished checkpoint, opened to be measured: how it denoises, and what it generates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from leakboard.statistics.auc import auc as measured_auc
from leakboard.training import denoiser, latent, loop
from leakboard.training.opening import opening
from leakboard.training.quality import SAMPLING_STEPS, Estimate, denoising_loss, sample_images
from leakboard.training.words import open_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import torch
    from diffusers import AutoencoderKL, DDPMPipeline, StableDiffusionPipeline

    from leakboard.api import Samples
    from leakboard.training.recipes import LatentRecipe, Recipe

GUIDANCE = 1.0
"""Of the images that a text-to-image checkpoint generates for its sample-quality figure: none."""


class PixelMeasuring:
    """How checkpoints of a pixel recipe are opened and asked.

    Args:
        recipe: what was trained.
        samples: members and non-members.
    """

    packages: ClassVar[tuple[str, ...]] = ("diffusers", "numpy", "safetensors", "torch")
    loss_rule: ClassVar[str] = (
        "mean squared error of predicted noise, same noise and timesteps for both, whole schedule"
    )
    conditions: ClassVar[dict[str, Any]] = {}
    """How images were generated, beyond what holds for every recipe."""

    def __init__(self, recipe: Recipe, samples: Samples) -> None:
        self._recipe, self._samples = recipe, samples

    def opened(self, folder: Path) -> DDPMPipeline:
        """The checkpoint of a folder in float32.

        Raises:
            LeakboardError: it is missing or damaged.
        """
        from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

        with opening(folder, remade_without=folder.parent / loop.STATE):
            unet = UNet2DModel.from_pretrained(folder, subfolder="unet", use_safetensors=True, local_files_only=True)
            scheduler = DDPMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
        return DDPMPipeline(unet=unet.float().eval().requires_grad_(False), scheduler=scheduler)

    def untrained(self) -> DDPMPipeline:
        """The network before the first epoch, rounded to half precision like every checkpoint."""
        from diffusers import DDPMPipeline

        channels, _, side = self._samples.image_shape
        unet, scheduler = denoiser.build(self._recipe, side, channels)
        return DDPMPipeline(unet=unet.half().float().eval().requires_grad_(False), scheduler=scheduler)

    def loss(self, pipeline: DDPMPipeline, rows: npt.NDArray[np.bool_]) -> Estimate:
        """Denoising loss of the samples that ``rows`` marks."""
        return denoising_loss(pipeline, self._samples.images[rows] * 2 - 1, self._recipe.seed)

    def generated(self, pipeline: DDPMPipeline, count: int) -> torch.Tensor:
        """``count`` new images."""
        return sample_images(pipeline, count, self._recipe.seed)

    def facts(self, pipeline: DDPMPipeline) -> dict[str, Any]:  # noqa: ARG002 - a latent checkpoint has some
        """What else the manifest says."""
        return {}


class LatentMeasuring:
    """How checkpoints of a latent recipe are opened and asked: in latent space, told the captions.

    Args:
        recipe: what was trained.
        samples: members and non-members, with captions.
        out: where the autoencoder and the tokenizer are.
    """

    packages: ClassVar[tuple[str, ...]] = (*PixelMeasuring.packages, "tokenizers", "transformers")
    loss_rule: ClassVar[str] = f"{PixelMeasuring.loss_rule}, in latent space, each sample told its caption"
    conditions: ClassVar[dict[str, Any]] = {
        "guidance": GUIDANCE,
        "steps": SAMPLING_STEPS,
        "prompts": "captions of held-out images",
    }

    def __init__(self, recipe: LatentRecipe, samples: Samples, out: Path) -> None:
        assert samples.prompts is not None
        self._recipe, self._samples, self._out = recipe, samples, out
        self._prompts = np.array(samples.prompts)
        self._fitting = latent.fitting(recipe, samples.images)

    def opened(self, folder: Path) -> StableDiffusionPipeline:
        """The checkpoint of a folder in float32.

        Raises:
            LeakboardError: it is missing or damaged.
        """
        from diffusers import StableDiffusionPipeline

        with opening(folder, remade_without=folder.parent / loop.STATE):
            pipeline = StableDiffusionPipeline.from_pretrained(folder, use_safetensors=True, local_files_only=True)
        return self._ready(pipeline)

    def untrained(self) -> StableDiffusionPipeline:
        """Denoiser and text model before the first epoch, rounded to half precision like every checkpoint."""
        vae = latent.open_autoencoder(self._out)
        tokenizer = open_tokenizer(self._out / latent.TOKENIZER)
        module, unet, encoder, scheduler = latent.build(self._recipe, tokenizer)
        module.half()
        return self._ready(latent.pipeline_of(vae, unet, encoder, tokenizer, scheduler))

    def loss(self, pipeline: StableDiffusionPipeline, rows: npt.NDArray[np.bool_]) -> Estimate:
        """Denoising loss of the samples that ``rows`` marks, each told its own caption."""
        import torch

        clean = self._fitting.to_victim(self._samples.images[rows]) * 2 - 1
        latents = latent.latents_of(pipeline.vae, clean, pipeline.vae.config.scaling_factor)
        with torch.no_grad():
            told = pipeline.text_encoder(latent.token_ids(pipeline.tokenizer, self._prompts[rows].tolist()))[0]
        return denoising_loss(pipeline, latents, self._recipe.seed, told=told)

    def generated(self, pipeline: StableDiffusionPipeline, count: int) -> torch.Tensor:
        """``count`` images out of captions of held-out images, cut to the dataset's size; DDIM with eta = 0."""
        import torch

        seed = self._recipe.seed
        held_out = np.random.default_rng(seed).permutation(self._prompts[~self._samples.member])
        images = pipeline(
            np.resize(held_out, count).tolist(),
            generator=torch.Generator().manual_seed(seed),
            guidance_scale=GUIDANCE,
            num_inference_steps=SAMPLING_STEPS,
            output_type="np",
        ).images
        return self._fitting.from_victim(torch.from_numpy(images).permute(0, 3, 1, 2)).contiguous()

    def facts(self, pipeline: StableDiffusionPipeline) -> dict[str, Any]:
        """How well the autoencoder does, and whether it leaks members by itself: its AUC must not differ from 0.5."""
        error = self._round_trip_error(pipeline.vae)
        auc = measured_auc(-error, self._samples.member)
        facts = {
            "psnr": float(-10 * np.log10(error[~self._samples.member]).mean()),
            "auc": {"value": auc.value, "low": auc.low, "high": auc.high, "method": auc.method},
            "rule": "plain encode and decode: mean PSNR of held-out images; AUC of members by mean squared error",
        }
        return {"autoencoder": facts}

    def _round_trip_error(self, vae: AutoencoderKL) -> npt.NDArray[np.float64]:
        import torch

        errors = []
        for part in torch.split(self._samples.images, latent.CHUNK):
            inner = latent.latents_of(vae, self._fitting.to_victim(part) * 2 - 1, scale=1.0)
            with torch.no_grad():
                back = self._fitting.from_victim((vae.decode(inner).sample / 2 + 0.5).clamp(0, 1))
            errors.append((back - part).square().flatten(1).mean(1))
        return torch.cat(errors).double().numpy()

    @staticmethod
    def _ready(pipeline: StableDiffusionPipeline) -> StableDiffusionPipeline:
        pipeline.set_progress_bar_config(disable=True)
        for module in (pipeline.vae, pipeline.unet, pipeline.text_encoder):
            module.float().eval().requires_grad_(False)
        return pipeline
