"""Recipes that make the embedded victims, each with a manifest that says what it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from leakboard.api import LeakboardError
from leakboard.errors import nearest
from leakboard.quiet import quiet
from leakboard.training.recipes import RECIPES, LatentRecipe, Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from leakboard.api import Dataset, Samples

__all__ = ["RECIPES", "LatentRecipe", "Progress", "Recipe", "find_recipe", "train_recipe"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        LeakboardError: there is none.
    """
    if name not in RECIPES:
        raise LeakboardError(
            f"there is no recipe {name!r}", expected=", ".join(sorted(RECIPES)), nearest=nearest(name, RECIPES)
        )
    return RECIPES[name]


def train_recipe(
    recipe: str | Recipe, dataset: Dataset, out: Path, *, progress: Progress, generated: int = 256
) -> list[Path]:
    """Train on the members of a dataset, then write the manifest of every checkpoint.

    A latent recipe first trains its autoencoder, on the dataset's auxiliary images. The same call after an interruption
    goes on from the last saved state and ends with the same weights, bit by bit; after the end it measures again.

    Args:
        recipe: a recipe or its name.
        dataset: whose members are trained on; its non-members are the held-out images of the manifests.
        out: folder that gets one pipeline folder a checkpoint.
        progress: told after every epoch and before every manifest.
        generated: images each checkpoint generates for its sample-quality figure.

    Returns:
        The pipeline folders, least trained first.

    Raises:
        LeakboardError: the recipe is unknown, the images do not suit it, or ``out`` holds another training or
            something damaged, cannot be written, or is being trained in.
    """
    import torch

    from leakboard.training import checks
    from leakboard.training.claim import claim, held
    from leakboard.training.manifest import write_manifests

    if isinstance(recipe, str):
        recipe = find_recipe(recipe)
    samples = dataset.load()
    auxiliary = checks.suitable(recipe, dataset, samples)
    deterministic = torch.are_deterministic_algorithms_enabled()
    try:
        with quiet(), _written(out), held(out), torch.random.fork_rng(devices=[]):
            claim(recipe, samples, auxiliary, out)
            _train(recipe, samples, auxiliary, out, progress)
            return write_manifests(recipe, samples, out, auxiliary=auxiliary, progress=progress, generated=generated)
    finally:
        torch.use_deterministic_algorithms(deterministic)


def _train(recipe: Recipe, samples: Samples, auxiliary: Samples | None, out: Path, progress: Progress) -> None:
    import torch

    from leakboard.training import denoiser, latent

    def told(what: str, epochs: int) -> Callable[[int, float], None]:
        return lambda epoch, loss: progress(f"{what}, loss {loss:.4f}", epoch, epochs)

    images = samples.images[torch.from_numpy(samples.member)]
    if not isinstance(recipe, LatentRecipe):
        denoiser.train(recipe, images, out, told("training", recipe.epochs))
        return
    assert auxiliary is not None
    assert samples.prompts is not None
    prompts = [prompt for prompt, member in zip(samples.prompts, samples.member, strict=True) if member]
    # words of all captions, or a non-member would be told apart by the spelling of its caption alone
    vocabulary = sorted({*samples.prompts, *(auxiliary.prompts or ())})
    epochs = recipe.autoencoder.epochs
    latent.train_autoencoder(recipe, auxiliary.images, out, told("training the autoencoder", epochs))
    latent.train(recipe, images, prompts, vocabulary, out, told("training", recipe.epochs))


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
