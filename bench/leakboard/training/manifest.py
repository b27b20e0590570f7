"""The manifest beside a checkpoint: what it was trained on, how well it does, and what its weights are."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.api import member_digest
from leakboard.training.claim import write_json
from leakboard.training.measuring import LatentMeasuring, PixelMeasuring
from leakboard.training.quality import kernel_distance
from leakboard.training.recipes import LatentRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from diffusers import DiffusionPipeline

    from leakboard.api import Samples
    from leakboard.training import Progress
    from leakboard.training.recipes import Recipe

FORMAT = 1
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def write_manifests(
    recipe: Recipe,
    samples: Samples,
    out: Path,
    *,
    progress: Progress,
    auxiliary: Samples | None = None,
    generated: int = 256,
) -> list[Path]:
    """Measure every checkpoint of a finished training below ``out`` and write its ``manifest.json``.

    Args:
        recipe: what was trained.
        samples: members it was trained on, and non-members.
        out: where the checkpoints are.
        progress: told before each checkpoint.
        auxiliary: what the autoencoder of a latent recipe was trained on.
        generated: images to generate for the sample-quality figure.

    Returns:
        The checkpoint folders, least trained first.
    """
    levels = sorted(recipe.checkpoints, key=lambda level: recipe.checkpoints[level])
    measuring = (
        LatentMeasuring(recipe, samples, out) if isinstance(recipe, LatentRecipe) else PixelMeasuring(recipe, samples)
    )
    held_out = samples.images[~samples.member]
    untrained = kernel_distance(measuring.generated(measuring.untrained(), generated), held_out)
    floor = kernel_distance(samples.images[samples.member], held_out)
    for place, level in enumerate(levels):
        progress(f"measuring {level}", place, len(levels))
        pipeline = measuring.opened(out / level)
        quality = {
            "kernel_distance": kernel_distance(measuring.generated(pipeline, generated), held_out),
            "untrained": untrained,
            "members": floor,
            "generated": generated,
            **measuring.conditions,
            "rule": "squared MMD to held-out images on fixed edge and pixel features, cubic kernel; lower is better",
        }
        manifest = {"format": FORMAT, "level": level, **_origin(recipe, level, samples, auxiliary)}
        manifest |= {"loss": _losses(measuring, pipeline, samples), "quality": quality, **measuring.facts(pipeline)}
        manifest |= {"weights": _weights(out / level), "versions": _versions(measuring.packages)}
        write_json(out / level / "manifest.json", manifest)
    progress("measuring", len(levels), len(levels))
    return [out / level for level in levels]


def _origin(recipe: Recipe, level: str, samples: Samples, auxiliary: Samples | None) -> dict[str, Any]:
    ids = np.array(samples.ids)
    origin = {
        "epochs": recipe.checkpoints[level],
        "seed": recipe.seed,
        "recipe": asdict(recipe),
        "members": int(samples.member.sum()),
        "member_digest": member_digest(ids[samples.member].tolist()),
        "held_out": int((~samples.member).sum()),
        "held_out_digest": member_digest(ids[~samples.member].tolist()),
        "data": list(samples.notes),
    }
    if auxiliary:
        origin |= {"auxiliary": len(auxiliary.ids), "auxiliary_digest": member_digest(auxiliary.ids)}
    return origin


def _losses(
    measuring: PixelMeasuring | LatentMeasuring, pipeline: DiffusionPipeline, samples: Samples
) -> dict[str, Any]:
    members = measuring.loss(pipeline, samples.member)
    held_out = measuring.loss(pipeline, ~samples.member)
    return {
        "members": asdict(members),
        "held_out": asdict(held_out),
        "gap": held_out.mean - members.mean,
        "rule": measuring.loss_rule,
    }


def _weights(folder: Path) -> dict[str, Any]:
    """The denoiser's file; where the pipeline has more weights, the digests of all files of weights too."""
    digests = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.safetensors"))
    }
    weights = {"file": WEIGHTS, "sha256": digests[WEIGHTS], "bytes": (folder / WEIGHTS).stat().st_size}
    return weights | ({"parts": digests} if len(digests) > 1 else {})


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in packages}
