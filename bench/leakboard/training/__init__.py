"""Recipes that make the embedded victims, each with a manifest that says what it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import LeakboardError
from leakboard.quiet import quiet
from leakboard.recipe import Given
from leakboard.training.distilling import DistilledRecipe
from leakboard.training.lora import LoraRecipe
from leakboard.training.recipes import RECIPES, FlowRecipe, LatentRecipe, PixelRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from leakboard.api import Dataset, Mask, Samples
    from leakboard.recipe import Recipe

__all__ = [
    "RECIPES",
    "DistilledRecipe",
    "FlowRecipe",
    "LatentRecipe",
    "LoraRecipe",
    "PixelRecipe",
    "Progress",
    "given_of",
    "train_recipe",
]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def train_recipe(
    recipe: Recipe,
    dataset: Dataset,
    out: Path,
    *,
    progress: Progress,
    device: str = "cpu",
    generated: int = 256,
    levels: Sequence[str] = (),
    members: Callable[[Sequence[str]], Mask] | None = None,
    measure_again: bool = True,
) -> list[Path]:
    """Train on the members of a dataset, then write the manifest of every checkpoint.

    The same call after an interruption goes on from the last saved state and ends with the same weights, bit by bit.

    Args:
        recipe: what is trained, and how.
        dataset: whose members are trained on; its non-members are the held-out images of the manifests.
        out: folder that gets one pipeline folder a checkpoint.
        progress: called after every epoch and before every manifest.
        device: where, as torch spells it; the weights of two kinds of device differ in their last bits.
        generated: images each checkpoint generates for its sample-quality figure.
        levels: the checkpoints that are wanted, if not all; the training ends with the last of them.
        members: from the ids of all samples to those that are trained on in the place of the dataset's members; the
            others are held out.
        measure_again: whether a training that has ended is measured once more; else its folders come back at once.

    Returns:
        The pipeline folders, least trained first.

    Raises:
        Busy: another process trains in ``out``.
        LeakboardError: the images do not suit the recipe, or ``out`` holds another training or something damaged,
            cannot be written.
    """
    from leakboard.training import checks, loop, manifest
    from leakboard.training.claim import claim, finished, held

    levels = checks.some_levels(recipe, levels)
    samples = dataset.load()
    if members:
        samples = replace(samples, member=members(samples.ids), member_digest=None)
    given = given_of(samples, checks.suitable(recipe, dataset, samples), out, device)
    with quiet(), _written(out), held(out), loop.secluded(device):
        if not measure_again and finished(recipe, given, levels):
            return [out / level for level in manifest.in_order(recipe, levels)]
        claim(recipe, given, levels)
        for stage in recipe.prepare(given):
            epochs = max(loop.saved(stage, levels).values())
            loop.run(stage, out, _each_epoch(stage.doing, epochs, progress), levels)
        return manifest.write_manifests(recipe, samples, given, progress=progress, generated=generated, levels=levels)


def given_of(samples: Samples, auxiliary: Samples | None, out: Path, device: str) -> Given:
    """What a recipe is given of some samples: the members, and of all others only the captions."""
    captions = {*(samples.prompts or ()), *((auxiliary and auxiliary.prompts) or ())}
    members = samples.take(np.flatnonzero(samples.member).tolist())
    return Given(members=members, auxiliary=auxiliary, captions=tuple(sorted(captions)), out=out, device=device)


def _each_epoch(doing: str, epochs: int, progress: Progress) -> Callable[[int, float], None]:
    return lambda epoch, loss: progress(f"{doing}, loss {loss:.4f}", epoch, epochs)


@contextmanager
def _written(out: Path) -> Iterator[None]:
    """Says what was wrong with the folder when a file of the training cannot be written or read."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        named = isinstance(error, OSError) and error.filename
        raise LeakboardError(
            f"the training cannot be kept: {getattr(error, 'strerror', None) or error}",
            where=str(named or out),
            expected="a folder to write to, with room for the checkpoints",
            next="the same command after mending this, which goes on from the last saved state, or another --out",
        ) from error
