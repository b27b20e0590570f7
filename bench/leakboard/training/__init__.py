"""Recipes that make the embedded victims, each with a manifest that says what it was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from leakboard.api import LeakboardError, member_digest
from leakboard.errors import nearest
from leakboard.training.recipes import RECIPES, Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from leakboard.api import Dataset, Samples

__all__ = ["RECIPES", "Progress", "Recipe", "find_recipe", "train_recipe"]

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

    The same call after an interruption goes on from the last saved state and ends with the same weights, bit by bit.

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
            something damaged, or cannot be written.
    """
    import torch

    from leakboard.training import denoiser
    from leakboard.training.manifest import write_manifests

    if isinstance(recipe, str):
        recipe = find_recipe(recipe)
    samples = dataset.load()
    _check_images(recipe, samples)
    deterministic = torch.are_deterministic_algorithms_enabled()
    try:
        with _written(out), torch.random.fork_rng(devices=[]):
            _claim(recipe, samples, out)
            denoiser.train(
                recipe,
                samples.images[torch.from_numpy(samples.member)],
                out,
                lambda epoch, loss: progress(f"training, loss {loss:.4f}", epoch, recipe.epochs),
            )
            return write_manifests(recipe, samples, out, progress=progress, generated=generated)
    finally:
        torch.use_deterministic_algorithms(deterministic)


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


def _check_images(recipe: Recipe, samples: Samples) -> None:
    height, width = samples.images.shape[-2:]
    divisor = 2 ** (len(recipe.channels) - 1)
    if height != width or height % divisor:
        raise LeakboardError(
            f"the images are {height}x{width}, which the network of {recipe.name!r} cannot halve",
            expected=f"square images whose side is a multiple of {divisor}",
        )
    if not samples.member.any() or samples.member.all():
        raise LeakboardError("the dataset lacks members or non-members", expected="both: the held-out are measured too")


def _claim(recipe: Recipe, samples: Samples, out: Path) -> None:
    """Note in ``out`` what is trained there, and refuse to go on with anything else."""
    members = [name for name, member in zip(samples.ids, samples.member, strict=True) if member]
    wanted = {"recipe": describe(recipe), "member_digest": member_digest(members)}
    path = out / "training.json"
    for level in recipe.checkpoints:
        if (out / level).is_file():
            raise LeakboardError(
                "a file is where a checkpoint belongs",
                where=str(out / level),
                expected="no such file",
                next="remove it, or another --out",
            )
    if path.exists():
        if _noted(path) != wanted:
            raise LeakboardError(
                "the folder holds a training by another recipe or on other members",
                where=str(path),
                expected=f"a new folder, or the one where {recipe.name!r} was interrupted",
                next="another --out",
            )
        return
    out.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def _noted(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LeakboardError(
            f"the note of what is trained here is damaged: {error}",
            where=str(path),
            expected="the JSON that an earlier training wrote",
            next="another --out, or remove the folder to start again",
        ) from error


def describe(recipe: Recipe) -> dict[str, Any]:
    """All fields of a recipe as JSON gives them back."""
    fields: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return fields
