"""Recipes that make the embedded victims, each with a manifest that says what it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import LeakboardError
from leakboard.quiet import quiet
from leakboard.recipe import Given
from leakboard.training.recipes import RECIPES, FlowRecipe, LatentRecipe, PixelRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from leakboard.api import Dataset, Samples
    from leakboard.recipe import Recipe, Stage

__all__ = ["RECIPES", "FlowRecipe", "LatentRecipe", "PixelRecipe", "Progress", "given_of", "train_recipe"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def train_recipe(
    recipe: Recipe, dataset: Dataset, out: Path, *, progress: Progress, device: str = "cpu", generated: int = 256
) -> list[Path]:
    """Train on the members of a dataset, then write the manifest of every checkpoint.

    The same call after an interruption goes on from the last saved state and ends with the same weights, bit by bit;
    after the end it measures again.

    Args:
        recipe: what is trained, and how.
        dataset: whose members are trained on; its non-members are the held-out images of the manifests.
        out: folder that gets one pipeline folder a checkpoint.
        progress: called after every epoch and before every manifest.
        device: where, as torch spells it; the weights of two kinds of device differ in their last bits.
        generated: images each checkpoint generates for its sample-quality figure.

    Returns:
        The pipeline folders, least trained first.

    Raises:
        LeakboardError: the images do not suit the recipe, or ``out`` holds another training or something damaged,
            cannot be written, or is being trained in.
    """
    from leakboard.training import checks, loop, manifest
    from leakboard.training.claim import claim, held

    samples = dataset.load()
    given = given_of(samples, checks.suitable(recipe, dataset, samples), out, device)
    with quiet(), _written(out), held(out), loop.secluded(device):
        claim(recipe, given)
        for stage in recipe.prepare(given):
            loop.run(stage, out, _each_epoch(stage, progress))
        return manifest.write_manifests(recipe, samples, given, progress=progress, generated=generated)


def given_of(samples: Samples, auxiliary: Samples | None, out: Path, device: str) -> Given:
    """What a recipe is given of some samples: the members, and of all others only the captions."""
    captions = {*(samples.prompts or ()), *((auxiliary and auxiliary.prompts) or ())}
    members = samples.take(np.flatnonzero(samples.member).tolist())
    return Given(members=members, auxiliary=auxiliary, captions=tuple(sorted(captions)), out=out, device=device)


def _each_epoch(stage: Stage, progress: Progress) -> Callable[[int, float], None]:
    epochs = max(stage.checkpoints.values())
    return lambda epoch, loss: progress(f"{stage.doing}, loss {loss:.4f}", epoch, epochs)


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
