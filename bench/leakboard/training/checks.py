"""Whether a dataset suits a recipe, told before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.api import LeakboardError, Unsupported
from leakboard.training.recipes import LatentRecipe

if TYPE_CHECKING:
    from leakboard.api import Dataset, Samples
    from leakboard.training.recipes import Recipe


def suitable(recipe: Recipe, dataset: Dataset, samples: Samples) -> Samples | None:
    """The auxiliary images that a latent recipe trains its autoencoder on; None for a pixel recipe.

    Raises:
        LeakboardError: the dataset does not suit the recipe.
    """
    if not samples.member.any() or samples.member.all():
        raise LeakboardError("the dataset lacks members or non-members", expected="both: the held-out are measured too")
    if not isinstance(recipe, LatentRecipe):
        _check_sides(recipe, samples)
        return None
    if samples.prompts is None:
        raise LeakboardError(
            f"the dataset {dataset.name!r} has no captions, and {recipe.name!r} is a text-to-image model",
            expected="a dataset with a caption for every image",
            next=f"leakboard train {recipe.name} trains on {recipe.dataset!r}; a pixel recipe needs no captions",
        )
    _check_size(recipe, samples, "images")
    return _auxiliary(recipe, dataset, samples)


def _check_sides(recipe: Recipe, samples: Samples) -> None:
    _, height, width = samples.image_shape
    divisor = 2 ** (len(recipe.channels) - 1)
    if height != width or height % divisor:
        raise LeakboardError(
            f"the images are {height}x{width}, which the network of {recipe.name!r} cannot halve",
            expected=f"square images whose side is a multiple of {divisor}",
        )


def _check_size(recipe: LatentRecipe, samples: Samples, what: str) -> None:
    _, height, width = samples.image_shape
    if max(height, width) > recipe.size:
        raise LeakboardError(
            f"the {what} are {height}x{width}, larger than the autoencoder of {recipe.name!r} takes",
            expected=f"images up to {recipe.size}x{recipe.size}",
        )


def _auxiliary(recipe: LatentRecipe, dataset: Dataset, samples: Samples) -> Samples:
    wanted = "images of the same distribution that are neither members nor non-members, or the autoencoder leaks too"
    try:
        auxiliary = dataset.auxiliary()
    except Unsupported as error:
        raise LeakboardError(
            f"the autoencoder of {recipe.name!r} has nothing to be trained on: {error}", expected=wanted
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
    _check_size(recipe, auxiliary, "auxiliary images")
    return auxiliary
