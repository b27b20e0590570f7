"""Whether a dataset suits a recipe: asked before anything is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from leakboard.api import LeakboardError, Unsupported
from leakboard.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Dataset, Samples
    from leakboard.recipe import Recipe
    from leakboard.training.recipes import PixelRecipe


def suitable(recipe: Recipe, dataset: Dataset, samples: Samples) -> Samples | None:
    """The auxiliary images that a recipe wants; None for a recipe that wants none.

    Raises:
        LeakboardError: the dataset does not suit the recipe, or nothing could be trained by it.
    """
    levels = recipe.checkpoints
    if not levels or not all(re.fullmatch(r"\w[\w.-]*", name) and epochs >= 0 for name, epochs in levels.items()):
        raise LeakboardError(
            f"the checkpoints of the recipe {recipe.name!r} cannot be saved",
            where=str(dict(levels)),
            expected="one or more names of folders, each with a number of epochs from 0",
        )
    if not samples.member.any() or samples.member.all():
        raise LeakboardError("the dataset lacks members or non-members", expected="both: the held-out are measured too")
    auxiliary = _auxiliary(recipe, dataset, samples) if recipe.wants_auxiliary else None
    recipe.check(samples, auxiliary)
    return auxiliary


def some_levels(recipe: Recipe, levels: Sequence[str]) -> tuple[str, ...]:
    """The levels that are named, each once, in the order of the recipe; nothing where these are all it has.

    Raises:
        LeakboardError: the recipe lacks one.
    """
    for level in levels:
        if level not in recipe.checkpoints:
            raise LeakboardError(
                f"the recipe {recipe.name!r} has no level {level!r}",
                expected=f"one of {', '.join(recipe.checkpoints)}",
                nearest=nearest(level, recipe.checkpoints),
            )
    named = tuple(level for level in recipe.checkpoints if level in levels)
    return named if len(named) < len(recipe.checkpoints) else ()


def check_sides(recipe: PixelRecipe, samples: Samples) -> None:
    """Refuse images that the network of a pixel recipe cannot halve.

    Raises:
        LeakboardError: they are not square, or their side is no multiple of what the network divides by.
    """
    _, height, width = samples.image_shape
    divisor = 2 ** (len(recipe.channels) - 1)
    if height != width or height % divisor:
        raise LeakboardError(
            f"the images are {height}x{width}, which the network of {recipe.name!r} cannot halve",
            expected=f"square images whose side is a multiple of {divisor}",
        )


def check_alike(samples: Samples, auxiliary: Samples | None) -> None:
    """Refuse auxiliary images of another size, which no loss could be compared on.

    Raises:
        LeakboardError: they are.
    """
    if auxiliary is not None and auxiliary.image_shape != samples.image_shape:
        sizes = ["x".join(map(str, each.image_shape)) for each in (auxiliary, samples)]
        raise LeakboardError(
            f"the auxiliary images are {sizes[0]}, the members {sizes[1]}",
            expected="auxiliary images of the same size and colours, to stop the training by",
        )


def check_captions(recipe: Recipe, samples: Samples) -> None:
    """Refuse images without captions.

    Raises:
        LeakboardError: there are none.
    """
    if samples.prompts is None:
        raise LeakboardError(
            f"the dataset has no captions, and {recipe.name!r} is a text-to-image model",
            expected="a dataset with a caption for every image",
            next=f"leakboard train {recipe.name} trains on {recipe.dataset!r}; a pixel recipe needs no captions",
        )


def check_size(recipe: Recipe, size: int, samples: Samples, what: str) -> None:
    """Refuse images larger than the autoencoder takes, which is ``size`` a side.

    Raises:
        LeakboardError: they are.
    """
    _, height, width = samples.image_shape
    if max(height, width) > size:
        raise LeakboardError(
            f"the {what} are {height}x{width}, larger than the autoencoder of {recipe.name!r} takes",
            expected=f"images up to {size}x{size}",
        )


def _auxiliary(recipe: Recipe, dataset: Dataset, samples: Samples) -> Samples:
    wanted = "images of the same distribution that are neither members nor held out: what saw these would leak too"
    try:
        auxiliary = dataset.auxiliary()
    except Unsupported as error:
        raise LeakboardError(
            f"what {recipe.name!r} does not train on members has nothing to be trained on: {error}", expected=wanted
        ) from error
    if not auxiliary.ids:
        raise LeakboardError(f"the dataset {dataset.name!r} has 0 auxiliary images", expected=wanted)
    shared = set(auxiliary.ids) & set(samples.ids)
    if shared:
        raise LeakboardError(
            f"{len(shared)} auxiliary images are members or non-members, the first is {min(shared)!r}", expected=wanted
        )
    channels, found = samples.image_shape[0], auxiliary.image_shape[0]
    if found != channels:
        raise LeakboardError(f"the auxiliary images have {found} channels, the others {channels}", expected=wanted)
    return auxiliary
