"""Training a pixel denoiser: one that predicts noise, or one that matches flows."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from leakboard.recipe import Stage, Stopping
from leakboard.training.quality import denoising_losses, velocity_losses
from leakboard.training.shown import augmenting, shown
from leakboard.training.stopping import validation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch
    from diffusers import UNet2DModel

    from leakboard.recipe import Batch, Given, Weights
    from leakboard.training.recipes import FlowRecipe, PixelRecipe

    Loss = Callable[[UNet2DModel, torch.Tensor, torch.Generator], torch.Tensor]


def build(recipe: PixelRecipe, size: int, channels: int) -> UNet2DModel:
    """The untrained network of a recipe for square images, its weights drawn from the recipe's seed."""
    import torch
    from diffusers import UNet2DModel

    torch.manual_seed(recipe.seed)
    blocks = len(recipe.channels)
    return UNet2DModel(
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


def save_pipeline(unet: UNet2DModel, scheduler: Any, folder: Path) -> None:
    """Write a half-precision folder that ``DDPMPipeline.from_pretrained`` opens; it steps as its scheduler says."""
    import copy

    from diffusers import DDPMPipeline

    DDPMPipeline(unet=copy.deepcopy(unet).half(), scheduler=scheduler).save_pretrained(folder)


def stage(recipe: PixelRecipe, given: Given) -> Stage:
    """The denoiser of a recipe, to be trained on the members; a checkpoint is a pipeline folder."""
    import torch
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(num_train_timesteps=recipe.timesteps)

    def loss(unet: UNet2DModel, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        timesteps = torch.randint(0, recipe.timesteps, (len(clean),), generator=generator).to(clean.device)
        return torch.nn.functional.mse_loss(unet(scheduler.add_noise(clean, noise, timesteps), timesteps).sample, noise)

    return _stage(recipe, given, scheduler, loss, denoising_losses)


def flow_stage(recipe: FlowRecipe, given: Given) -> Stage:
    """The network of a flow recipe, trained to predict noise minus clean image on the straight line between them.

    Times are uniform in [0, 1) (Liu et al. 2209.03003, equation 1), or those of `times_of`; the network is told them
    times the number of timesteps, as `FlowMatchEulerDiscreteScheduler` counts.
    """
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler

    def loss(unet: UNet2DModel, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        times = times_of(torch.rand(len(clean), generator=generator), recipe.u_shape).to(clean.device)
        share = times.view(-1, 1, 1, 1)
        state = (1 - share) * clean + share * noise
        return torch.nn.functional.mse_loss(unet(state, times * recipe.timesteps).sample, noise - clean)

    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=recipe.timesteps)
    return _stage(recipe, given, scheduler, loss, velocity_losses)


def times_of(uniform: torch.Tensor, u_shape: float) -> torch.Tensor:
    """Times in [0, 1] of density proportional to exp(a t) + exp(a (1 - t)) out of uniform numbers in [0, 1).

    Flows trained with fewer times near one half, where members show most, leak less (Rao, Moyer 2603.13421); the
    density is that of Lee et al. 2405.20320.

    Args:
        uniform: any shape.
        u_shape: a, from 0, which leaves them uniform; the density at the ends is cosh(a / 2) times that in the middle.
    """
    import torch

    if not u_shape:
        return uniform
    late = uniform >= 0.5
    rest = torch.where(late, 2 * uniform - 1, 2 * uniform)
    rising = torch.log1p(rest * math.expm1(u_shape)) / u_shape
    return torch.where(late, rising, 1 - rising).clamp(0, 1)


def _stage(recipe: PixelRecipe, given: Given, scheduler: Any, loss: Loss, losses: Any) -> Stage:
    import torch

    augment = augmenting(recipe)
    images = shown(recipe, given).members.images
    channels, _, side = given.members.image_shape
    unet = build(recipe, side, channels).to(given.device, memory_format=torch.channels_last)

    def step(batch: Batch, generator: torch.Generator) -> torch.Tensor:
        (seen,) = batch
        return loss(unet, augment(seen, generator) * 2 - 1 if augment else seen, generator)

    def of(weights: Weights) -> UNet2DModel:
        averaged = build(recipe, side, channels)
        averaged.load_state_dict(weights)
        return averaged

    def save(folder: Path, weights: Weights) -> None:
        save_pipeline(of(weights), scheduler, folder)

    def held_out_loss(weights: Weights) -> float:
        assert given.auxiliary is not None
        clean = (validation(given.auxiliary).images * 2 - 1).to(given.device)
        averaged = of(weights).to(given.device).eval()
        return float(losses(SimpleNamespace(unet=averaged, scheduler=scheduler), clean, recipe.seed).mean())

    return Stage(
        module=unet,
        optimizer=torch.optim.AdamW(
            unet.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, foreach=True
        ),
        data=((images if augment else images * 2 - 1).to(given.device),),
        step=step,
        save=save,
        checkpoints=recipe.checkpoints,
        batch_size=recipe.batch_size,
        average=recipe.average,
        clip_norm=recipe.clip_norm,
        seed=recipe.seed,
        stopping=Stopping(loss=held_out_loss, patience=recipe.patience) if recipe.patience else None,
    )
