"""The manifest beside a checkpoint: what it was trained on, how well it does, and what its weights are."""

from __future__ import annotations

import hashlib
import math
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.api import LeakboardError, member_digest
from leakboard.training.claim import describe, training_defenses, write_json
from leakboard.training.quality import kernel_distance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import torch

    from leakboard.api import Samples
    from leakboard.recipe import Checkpoint, Given, Recipe

FORMAT = 1
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def write_manifests(
    recipe: Recipe,
    samples: Samples,
    given: Given,
    *,
    progress: Callable[[str, int, int], None],
    generated: int = 256,
    levels: Sequence[str] = (),
) -> list[Path]:
    """Measure every checkpoint of a finished training and write its ``manifest.json``.

    Args:
        recipe: what was trained.
        samples: members it was trained on, and those held out.
        given: what it was given: the auxiliary images, the folder, the device.
        progress: called before each checkpoint.
        generated: images to generate for the sample-quality figure.
        levels: the checkpoints that were saved, if not all.

    Returns:
        The checkpoint folders, least trained first.

    Raises:
        LeakboardError: a checkpoint is missing or damaged, or the recipe says of it what the manifest says itself.
    """
    levels = in_order(recipe, levels)
    held_out = samples.take(np.flatnonzero(~samples.member).tolist())
    real = {"members": kernel_distance(given.members.images, held_out.images), "generated": generated}
    untrained: dict[str, Any] = {}
    for place, level in enumerate(levels):
        progress(f"measuring {level}", place, len(levels))
        folder = given.out / level
        checkpoint = recipe.opened(folder, given.device)
        distance = kernel_distance(checkpoint.generated(held_out, generated), held_out.images)
        if recipe.checkpoints[level] == 0:
            untrained = {"untrained": distance}
        quality = {
            "kernel_distance": distance,
            **untrained,
            **real,
            **checkpoint.conditions,
            "rule": "squared MMD to held-out images on fixed edge and pixel features, cubic kernel; lower is better",
        }
        manifest = {"format": FORMAT, "level": level, **_origin(recipe, level, samples, given)}
        manifest |= {"loss": _loss(checkpoint, given.members, held_out), "quality": quality}
        manifest |= {"weights": _weights(folder), "versions": _versions(recipe.packages)}
        write_json(folder / "manifest.json", _joined(manifest, recipe.facts(folder, samples), recipe.name))
    progress("measuring", len(levels), len(levels))
    return [given.out / level for level in levels]


def in_order(recipe: Recipe, levels: Sequence[str]) -> list[str]:
    """Some levels of a recipe, or all if none is named, least trained first."""
    return sorted(levels or recipe.checkpoints, key=lambda level: recipe.checkpoints[level])


def _origin(recipe: Recipe, level: str, samples: Samples, given: Given) -> dict[str, Any]:
    held_out = np.array(samples.ids)[~samples.member].tolist()
    members = np.array(samples.ids)[samples.member].tolist()
    origin = {
        "epochs": recipe.checkpoints[level],
        "seed": recipe.seed,
        "recipe": describe(recipe),
        "device": given.device,
        "members": len(members),
        "member_digest": member_digest(members),
        "member_ids": sorted(members),
        "held_out": len(held_out),
        "held_out_digest": member_digest(held_out),
        "data": list(samples.notes),
    }
    if defenses := training_defenses(recipe):
        origin["training_defenses"] = defenses
    if given.auxiliary:
        ids = given.auxiliary.ids
        origin |= {"auxiliary": len(ids), "auxiliary_digest": member_digest(ids)}
    return origin


def _loss(checkpoint: Checkpoint, members: Samples, held_out: Samples) -> dict[str, Any]:
    inside, outside = (_mean(checkpoint.losses(side)) for side in (members, held_out))
    gap = outside["mean"] - inside["mean"]
    return {"members": inside, "held_out": outside, "gap": gap, "rule": checkpoint.loss_rule}


def _mean(losses: torch.Tensor) -> dict[str, float]:
    """A mean over samples and its standard error."""
    return {"mean": float(losses.mean()), "error": float(losses.std(correction=0)) / math.sqrt(len(losses))}


def _weights(folder: Path) -> dict[str, Any]:
    """The denoiser's file, or the first one where there is none, and the digests of all if there are several."""
    digests = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.safetensors"))
    }
    if not digests:
        raise LeakboardError("a checkpoint has no weights", where=str(folder), expected="a file *.safetensors")
    main = WEIGHTS if WEIGHTS in digests else min(digests)
    weights = {"file": main, "sha256": digests[main], "bytes": (folder / main).stat().st_size}
    return weights | ({"parts": digests} if len(digests) > 1 else {})


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in sorted(packages)}


def _joined(manifest: dict[str, Any], facts: dict[str, Any], recipe: str) -> dict[str, Any]:
    """The manifest with the recipe's own facts, which must not say otherwise what every manifest says."""
    if both := manifest.keys() & facts.keys():
        raise LeakboardError(
            f"the recipe {recipe!r} has a fact that every manifest has: {min(both)!r}", expected="another name for it"
        )
    return manifest | facts
