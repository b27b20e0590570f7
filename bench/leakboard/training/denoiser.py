"""The training loop of a pixel denoiser: resumable, and the same weights whether or not it was interrupted."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from leakboard.api import LeakboardError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch
    from diffusers import DDPMScheduler, UNet2DModel

    from leakboard.training.recipes import Recipe

STATE = "state.safetensors"


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
    """Train on ``images`` (N, C, H, W) in [0, 1] and save the averaged weights of every checkpoint below ``out``.

    The state is saved at each tenth epoch, so the same call after an interruption goes on from there; every
    epoch draws its order, noise and timesteps from (seed, epoch), so the weights do not depend on interruptions.
    """
    import torch

    torch.use_deterministic_algorithms(True)
    unet, scheduler = build(recipe, images.shape[-1], images.shape[1])
    unet = unet.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=recipe.learning_rate, foreach=True)
    average = {name: value.detach().clone() for name, value in unet.state_dict().items()}
    steps_per_epoch = math.ceil(len(images) / recipe.batch_size)
    total = recipe.epochs * steps_per_epoch
    done = _load_state(out / STATE, unet, optimizer, average)
    clean = images * 2 - 1
    if not done:
        _save_checkpoints(recipe, 0, unet, scheduler, average, out)
    for epoch in range(done, recipe.epochs):
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch)
        losses = []
        order = torch.randperm(len(images), generator=generator)
        for step, rows in enumerate(torch.split(order, recipe.batch_size)):
            progress = (epoch * steps_per_epoch + step) / total
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
            noise = torch.randn((len(rows), *images.shape[1:]), generator=generator)
            timesteps = torch.randint(0, recipe.timesteps, (len(rows),), generator=generator)
            noisy = scheduler.add_noise(clean[rows], noise, timesteps)
            loss = torch.nn.functional.mse_loss(unet(noisy, timesteps).sample, noise)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(unet.parameters(), recipe.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            with torch.no_grad():
                for name, value in unet.state_dict().items():
                    average[name].lerp_(value, 1 - recipe.average)
        if on_epoch:
            on_epoch(epoch + 1, sum(losses) / len(losses))
        _save_checkpoints(recipe, epoch + 1, unet, scheduler, average, out)
        if (epoch + 1) % 10 == 0:
            _save_state(out / STATE, epoch + 1, unet, optimizer, average)


def _save_checkpoints(
    recipe: Recipe,
    epoch: int,
    unet: UNet2DModel,
    scheduler: DDPMScheduler,
    average: dict[str, torch.Tensor],
    out: Path,
) -> None:
    for level, epochs in recipe.checkpoints.items():
        if epochs == epoch:
            averaged, _ = build(recipe, unet.config.sample_size, unet.config.in_channels)
            averaged.load_state_dict(average)
            save_pipeline(averaged, scheduler, out / level)


def _save_state(
    path: Path, epoch: int, unet: UNet2DModel, optimizer: torch.optim.Optimizer, average: dict[str, torch.Tensor]
) -> None:
    from safetensors.torch import save_file

    tensors = {f"model.{name}": value.contiguous() for name, value in unet.state_dict().items()}
    tensors |= {f"average.{name}": value.contiguous() for name, value in average.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value.contiguous() for name, value in state.items()}
    temporary = path.with_suffix(".part")
    save_file(tensors, temporary, metadata={"epoch": json.dumps(epoch)})
    temporary.replace(path)


def _load_state(
    path: Path, unet: UNet2DModel, optimizer: torch.optim.Optimizer, average: dict[str, torch.Tensor]
) -> int:
    """Restore what `_save_state` wrote and return the number of finished epochs; 0 when there is nothing."""
    from safetensors import SafetensorError

    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return 0
    try:
        return _restore(path, unet, optimizer, average)
    except (SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise LeakboardError(
            f"the saved state cannot be gone on from: {error}",
            where=str(path),
            expected="the state that an earlier training by this recipe saved",
            next=f"remove {path.name} to train from the start, or another --out",
        ) from error


def _restore(path: Path, unet: UNet2DModel, optimizer: torch.optim.Optimizer, average: dict[str, torch.Tensor]) -> int:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        epoch = int(file.metadata()["epoch"])
    unet.load_state_dict({name[6:]: value for name, value in saved.items() if name.startswith("model.")})
    average.update({name[8:]: value for name, value in saved.items() if name.startswith("average.")})
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in saved.items():
        if name.startswith("optimizer."):
            _, index, entry = name.split(".")
            state.setdefault(int(index), {})[entry] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return epoch
