"""The manifest beside a checkpoint: what it was trained on, how well it does, and what its weights are."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.api import member_digest
from leakboard.training.denoiser import build
from leakboard.training.quality import denoising_loss, kernel_distance, sample_images

if TYPE_CHECKING:
    from pathlib import Path

    from diffusers import DDPMPipeline

    from leakboard.api import Samples
    from leakboard.training import Progress
    from leakboard.training.recipes import Recipe

FORMAT = 1
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
PACKAGES = ("diffusers", "numpy", "safetensors", "torch")


def write_manifests(
    recipe: Recipe,
    samples: Samples,
    out: Path,
    *,
    progress: Progress,
    generated: int = 256,
) -> list[Path]:
    """Measure every checkpoint of a finished training below ``out`` and write its ``manifest.json``.

    Args:
        recipe: what was trained.
        samples: members it was trained on, and non-members.
        out: where the checkpoints are.
        progress: told before each checkpoint.
        generated: images to generate for the sample-quality figure.

    Returns:
        The checkpoint folders, least trained first.
    """
    levels = sorted(recipe.checkpoints, key=lambda level: recipe.checkpoints[level])
    held_out = samples.images[~samples.member]
    untrained = kernel_distance(sample_images(_untrained(recipe, samples), generated, recipe.seed), held_out)
    floor = kernel_distance(samples.images[samples.member], held_out)
    for place, level in enumerate(levels):
        progress(f"measuring {level}", place, len(levels))
        pipeline = _opened(out / level)
        quality = {
            "kernel_distance": kernel_distance(sample_images(pipeline, generated, recipe.seed), held_out),
            "untrained": untrained,
            "members": floor,
            "generated": generated,
            "rule": "squared MMD to held-out images on fixed edge and pixel features, cubic kernel; lower is better",
        }
        manifest = {"level": level, **_origin(recipe, level, samples)}
        manifest |= {"loss": _losses(pipeline, recipe, samples), "quality": quality, "weights": _weights(out / level)}
        manifest |= {"versions": _versions()}
        temporary = out / level / "manifest.json.part"
        temporary.write_text(json.dumps({"format": FORMAT, **manifest}, indent=2) + "\n", encoding="utf-8")
        temporary.replace(out / level / "manifest.json")
    progress("measuring", len(levels), len(levels))
    return [out / level for level in levels]


def _origin(recipe: Recipe, level: str, samples: Samples) -> dict[str, Any]:
    ids = np.array(samples.ids)
    return {
        "epochs": recipe.checkpoints[level],
        "seed": recipe.seed,
        "recipe": asdict(recipe),
        "members": int(samples.member.sum()),
        "member_digest": member_digest(ids[samples.member].tolist()),
        "held_out": int((~samples.member).sum()),
        "held_out_digest": member_digest(ids[~samples.member].tolist()),
        "data": list(samples.notes),
    }


def _losses(pipeline: DDPMPipeline, recipe: Recipe, samples: Samples) -> dict[str, Any]:
    members = denoising_loss(pipeline, samples.images[samples.member], recipe.seed)
    held_out = denoising_loss(pipeline, samples.images[~samples.member], recipe.seed)
    return {
        "members": asdict(members),
        "held_out": asdict(held_out),
        "gap": held_out.mean - members.mean,
        "rule": "mean squared error of predicted noise, same noise and timesteps for both, whole schedule",
    }


def _weights(folder: Path) -> dict[str, Any]:
    content = (folder / WEIGHTS).read_bytes()
    return {"file": WEIGHTS, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}


def _opened(folder: Path) -> DDPMPipeline:
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    unet = UNet2DModel.from_pretrained(folder, subfolder="unet", use_safetensors=True, local_files_only=True)
    scheduler = DDPMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
    return DDPMPipeline(unet=unet.float().eval().requires_grad_(False), scheduler=scheduler)


def _untrained(recipe: Recipe, samples: Samples) -> DDPMPipeline:
    """The network before the first epoch, rounded to half precision like every checkpoint."""
    from diffusers import DDPMPipeline

    unet, scheduler = build(recipe, samples.images.shape[-1], samples.images.shape[1])
    unet = unet.half().float().eval().requires_grad_(False)
    return DDPMPipeline(unet=unet, scheduler=scheduler)
