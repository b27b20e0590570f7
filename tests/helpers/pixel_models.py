"""Tiny seeded pixel diffusion models, saved the way diffusers saves real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from diffusers import UNet2DModel

SIZE = 8
PREDICTIONS = ("epsilon", "v_prediction", "sample")


def tiny_unet(channels: int = 1, **config: Any) -> UNet2DModel:
    """A two-level network whose output is far from zero, so that conversions cannot go unnoticed."""
    import torch
    from diffusers import UNet2DModel

    settings = {
        "sample_size": SIZE,
        "in_channels": channels,
        "out_channels": channels,
        "layers_per_block": 1,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        "norm_num_groups": 4,
        "attention_head_dim": 8,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return UNet2DModel(**(settings | config))


def save_tiny(
    folder: Path, prediction_type: str = "epsilon", channels: int = 1, size: int = SIZE, **scheduler: Any
) -> Path:
    """Write the folder of a tiny pipeline in half precision and return it."""
    from diffusers import DDPMPipeline, DDPMScheduler

    schedule = DDPMScheduler(prediction_type=prediction_type, **scheduler)
    DDPMPipeline(unet=tiny_unet(channels, sample_size=size).half(), scheduler=schedule).save_pretrained(folder)
    return folder


def save_tiny_flow(folder: Path, **scheduler: Any) -> Path:
    """Write the folder of a tiny pipeline that matches flows, in half precision, and return it."""
    from diffusers import DDPMPipeline, FlowMatchEulerDiscreteScheduler

    schedule = FlowMatchEulerDiscreteScheduler(**scheduler)
    DDPMPipeline(unet=tiny_unet().half(), scheduler=schedule).save_pretrained(folder)
    return folder
