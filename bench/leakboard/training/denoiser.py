"""Training a pixel denoiser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.recipe import Stage

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from diffusers import DDPMScheduler, UNet2DModel

    from leakboard.recipe import Batch, Given, Weights
    from leakboard.training.recipes import PixelRecipe


def build(recipe: PixelRecipe, size: int, channels: int) -> tuple[UNet2DModel, DDPMScheduler]:
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


def stage(recipe: PixelRecipe, given: Given) -> Stage:
    """The denoiser of a recipe, to be trained on the members; a checkpoint is a pipeline folder."""
    import torch

    channels, _, side = given.members.image_shape
    unet, scheduler = build(recipe, side, channels)
    unet = unet.to(given.device, memory_format=torch.channels_last)

    def step(batch: Batch, generator: torch.Generator) -> torch.Tensor:
        (clean,) = batch
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        timesteps = torch.randint(0, recipe.timesteps, (len(clean),), generator=generator).to(clean.device)
        return torch.nn.functional.mse_loss(unet(scheduler.add_noise(clean, noise, timesteps), timesteps).sample, noise)

    def save(folder: Path, weights: Weights) -> None:
        averaged, _ = build(recipe, side, channels)
        averaged.load_state_dict(weights)
        save_pipeline(averaged, scheduler, folder)

    return Stage(
        module=unet,
        optimizer=torch.optim.AdamW(unet.parameters(), lr=recipe.learning_rate, foreach=True),
        data=((given.members.images * 2 - 1).to(given.device),),
        step=step,
        save=save,
        checkpoints=recipe.checkpoints,
        batch_size=recipe.batch_size,
        average=recipe.average,
        clip_norm=recipe.clip_norm,
        seed=recipe.seed,
    )
