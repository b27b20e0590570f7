"""Training a pixel denoiser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.training import loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch
    from diffusers import DDPMScheduler, UNet2DModel

    from leakboard.training.recipes import Recipe


def build(recipe: Recipe, size: int, channels: int) -> tuple[UNet2DModel, DDPMScheduler]:
    """The untrained network of a recipe for square images, its weights drawn from the recipe's seed."""
    import torch
    from diffusers import DDPMScheduler, UNet2DModel

    torch.manual_seed(recipe.seed)
    blocks = len(recipe.channels)
    unet = UNet2DModel(
        sample_size=size,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=recipe.layers_per_block,
        block_out_channels=recipe.channels,
        down_block_types=("DownBlock2D",) * blocks,
        up_block_types=("UpBlock2D",) * blocks,
        norm_num_groups=8,
        add_attention=False,
    )
    return unet, DDPMScheduler(num_train_timesteps=recipe.timesteps)


def save_pipeline(unet: UNet2DModel, scheduler: DDPMScheduler, folder: Path) -> None:
    """Write a half-precision folder that ``DDPMPipeline.from_pretrained`` opens."""
    import copy

    from diffusers import DDPMPipeline

    DDPMPipeline(unet=copy.deepcopy(unet).half(), scheduler=scheduler).save_pretrained(folder)


def train(
    recipe: Recipe, images: torch.Tensor, out: Path, on_epoch: Callable[[int, float], None] | None = None
) -> None:
    """Train on ``images`` (N, C, H, W) in [0, 1] and save the averaged weights of every checkpoint below ``out``."""
    import torch

    unet, scheduler = build(recipe, images.shape[-1], images.shape[1])
    unet = unet.to(memory_format=torch.channels_last)
    clean = images * 2 - 1

    def loss_of(rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        noise = torch.randn((len(rows), *images.shape[1:]), generator=generator)
        timesteps = torch.randint(0, recipe.timesteps, (len(rows),), generator=generator)
        noisy = scheduler.add_noise(clean[rows], noise, timesteps)
        return torch.nn.functional.mse_loss(unet(noisy, timesteps).sample, noise)

    def save(level: str, weights: loop.Weights) -> None:
        averaged, _ = build(recipe, images.shape[-1], images.shape[1])
        averaged.load_state_dict(weights)
        save_pipeline(averaged, scheduler, out / level)

    loop.run(recipe, unet, len(images), loss_of, save, out / loop.STATE, on_epoch)
