"""The autoencoder of a latent recipe: trained on auxiliary images, opened again, and measured by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.oracle.fitting import Fitting
from leakboard.recipe import STATE, Stage
from leakboard.statistics.auc import auc
from leakboard.training.opening import opening

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import torch
    from diffusers import AutoencoderKL

    from leakboard.api import Samples
    from leakboard.recipe import Batch, Given, Weights
    from leakboard.training.recipes import LatentRecipe

FOLDER = "autoencoder"
AUTOENCODER_STATE = "autoencoder.safetensors"
CHUNK = 256


def fitting(shape: tuple[int, int, int], size: int) -> Fitting:
    """How images of a shape become those of an autoencoder for ``size``: padded with black, as in attacks later."""
    return Fitting(shape, (shape[0], size, size), "pad")


def build(recipe: LatentRecipe, channels: int) -> AutoencoderKL:
    """The untrained autoencoder for images of ``channels``, its weights drawn from its own seed."""
    import torch
    from diffusers import AutoencoderKL

    shape = recipe.autoencoder
    torch.manual_seed(shape.seed)
    blocks = len(shape.channels)
    return AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=shape.channels,
        layers_per_block=shape.layers_per_block,
        latent_channels=shape.latent_channels,
        norm_num_groups=8,
        sample_size=recipe.size,
    )


def stage(recipe: LatentRecipe, given: Given) -> Stage:
    """The autoencoder, to be trained on the auxiliary images and saved as ``out/autoencoder``.

    Its scaling factor makes the latents of these images have unit variance (Rombach et al. 2112.10752, appendix G).
    """
    import torch

    assert given.auxiliary is not None
    shape = given.auxiliary.image_shape
    vae = build(recipe, shape[0]).to(given.device)
    clean = fitting(shape, recipe.size).to_victim(given.auxiliary.images) * 2 - 1
    settings = recipe.autoencoder

    def step(batch: Batch, generator: torch.Generator) -> torch.Tensor:
        seen = varied(batch[0], generator) if settings.augment else batch[0]
        posterior = vae.encode(seen).latent_dist
        decoded = vae.decode(posterior.sample(generator)).sample
        error = torch.nn.functional.mse_loss(decoded, seen)
        divergence: torch.Tensor = posterior.kl().sum() / posterior.mean.numel()
        return error + settings.kl_weight * divergence

    def save(folder: Path, weights: Weights) -> None:
        averaged = build(recipe, shape[0])
        averaged.load_state_dict(weights)
        averaged = averaged.half().float().eval()
        averaged.register_to_config(scaling_factor=1 / float(latents_of(averaged, clean, scale=1.0).std()))
        averaged.half().save_pretrained(folder)

    return Stage(
        module=vae,
        optimizer=torch.optim.AdamW(vae.parameters(), lr=settings.learning_rate, foreach=True),
        data=(clean.to(given.device),),
        step=step,
        save=save,
        checkpoints={FOLDER: settings.epochs},
        batch_size=settings.batch_size,
        average=settings.average,
        clip_norm=settings.clip_norm,
        seed=settings.seed,
        doing="training the autoencoder",
        state=AUTOENCODER_STATE,
    )


def varied(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A batch (N, C, H, W) mirrored with even odds, shifted by up to two pixels, its channels in another order."""
    import torch

    flip, down, across = (int(torch.randint(0, high, (), generator=generator)) for high in (2, 5, 5))
    channels = torch.randperm(images.shape[1], generator=generator)
    return torch.roll(images.flip(-1) if flip else images, (down - 2, across - 2), (-2, -1))[:, channels]


def latents_of(vae: AutoencoderKL, clean: torch.Tensor, scale: float) -> torch.Tensor:
    """Modes of the posteriors of images in [-1, 1], times ``scale``; images and latents where the autoencoder is."""
    import torch

    with torch.no_grad():
        modes = [vae.encode(part).latent_dist.mode() for part in torch.split(clean, CHUNK)]
    return torch.cat(modes) * scale


def open_autoencoder(folder: Path, *, remade_without: Path) -> AutoencoderKL:
    """What training saved in ``folder``, in float32.

    Args:
        folder: the autoencoder's.
        remade_without: what to remove, that the same training makes it again.

    Raises:
        LeakboardError: it is missing or damaged.
    """
    from diffusers import AutoencoderKL
    from safetensors.torch import load_file

    with opening(folder, remade_without=remade_without):
        # from_pretrained would note in the configuration of every checkpoint where the folder was
        vae = AutoencoderKL.from_config(AutoencoderKL.load_config(folder, local_files_only=True))
        vae.load_state_dict(load_file(folder / "diffusion_pytorch_model.safetensors"))
    return vae.float().eval().requires_grad_(False)


def facts(folder: Path, samples: Samples, size: int) -> dict[str, Any]:
    """How well the autoencoder of a checkpoint does, and how well it alone tells members from others.

    Args:
        folder: the checkpoint's.
        samples: members and held out.
        size: side of the images it takes.

    Raises:
        LeakboardError: it is missing or damaged.
    """
    vae = open_autoencoder(folder / "vae", remade_without=folder.parent / STATE)
    error = _round_trip_error(vae, samples, size)
    found = auc(-error, samples.member)
    return {
        "psnr": float(-10 * np.log10(error[~samples.member]).mean()),
        "auc": {"value": found.value, "low": found.low, "high": found.high, "method": found.method},
        "rule": "plain encode and decode: mean PSNR of held-out images; AUC of members by mean squared error",
    }


def _round_trip_error(vae: AutoencoderKL, samples: Samples, size: int) -> npt.NDArray[np.float64]:
    import torch

    fit = fitting(samples.image_shape, size)
    errors = []
    for part in torch.split(samples.images, CHUNK):
        inner = latents_of(vae, fit.to_victim(part) * 2 - 1, scale=1.0)
        with torch.no_grad():
            back = fit.from_victim((vae.decode(inner).sample / 2 + 0.5).clamp(0, 1))
        errors.append((back - part).square().flatten(1).mean(1))
    return torch.cat(errors).double().numpy()
