"""What a denoiser is shown of its members: how many copies of each, and through which defenses.

Defenses at ``training`` transform every member once, with noise of (seed of the recipe, id of the member), before
anything is learnt. Those at ``augmentation`` transform it anew each time it is shown, with noise from the generator of
the step.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.api import LeakboardError, Unsupported
from leakboard.components import IN_TRAINING
from leakboard.faults import blamed
from leakboard.noise import seeder
from leakboard.oracle.provider import acts, defended

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from leakboard.api import Defense, Samples
    from leakboard.recipe import Given
    from leakboard.training.recipes import DiffusionRecipe

    Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def copies_of(ids: Sequence[str], copies: Sequence[int]) -> list[int]:
    """How often each of these members stands in the training set.

    Members are shuffled by a hash of their ids and cut into as many equal parts as ``copies`` has numbers, one a part.
    It follows from the ids alone, so every recipe and every seed plants the same copies of the same members.
    """
    digests = [hashlib.sha256(f"copies\x1f{name}".encode()).digest() for name in ids]
    counts = [0] * len(ids)
    for place, row in enumerate(sorted(range(len(ids)), key=digests.__getitem__)):
        counts[row] = copies[place * len(copies) // len(ids)]
    return counts


def distinct(images: torch.Tensor) -> list[int]:
    """Rows of the first of all images (N, C, H, W) in [0, 1] that are equal to 8 bits."""
    pixels = (images * 255).round().byte().flatten(1).numpy()
    first: list[int] = np.sort(np.unique(pixels, axis=0, return_index=True)[1]).tolist()
    return first


def shown(recipe: DiffusionRecipe, given: Given) -> Given:
    """The same with members as they stand in the training set: copied, then deduplicated, then defended once.

    Raises:
        LeakboardError: a defense fails.
    """
    members = given.members
    if recipe.copies:
        counts = copies_of(members.ids, recipe.copies)
        members = members.take(np.repeat(np.arange(len(counts)), counts).tolist())
    if recipe.deduplicated:
        members = members.take(distinct(members.images))
    links = placed(recipe, "training")
    if links:
        seeds, images = seeder(recipe.seed, members.ids), members.images
        for link, defense in enumerate(links):
            with blamed(defense.name, "apply()"):
                images = defended(defense, images, seeds, f"training{link}")
        members = replace(members.take(range(len(members.ids))), images=images)
    return replace(given, members=members)


def augmenting(recipe: DiffusionRecipe) -> Augment | None:
    """From a batch of images (N, C, H, W) in [0, 1] and the generator of a step to what is shown of it.

    None for a recipe that augments nothing.
    """
    import torch

    links = placed(recipe, "augmentation")

    def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        seed = int(torch.randint(2**62, (), generator=generator))
        seeds = seeder(seed, [str(row) for row in range(len(images))])
        for link, defense in enumerate(links):
            with blamed(defense.name, "apply()"):
                images = defended(defense, images, seeds, f"augmentation{link}")
        return images

    return augment if links else None


def placed(recipe: DiffusionRecipe, place: str) -> list[Defense]:
    """The defenses of a recipe that act at a place."""
    return [link for link in recipe.defense if link.at == place]


def check_defenses(recipe: DiffusionRecipe, samples: Samples) -> None:
    """Refuse defenses that do not act in a training, and those that cannot take the images.

    Raises:
        LeakboardError: one does not, or cannot.
    """
    place = f"recipe {recipe.name!r}, defense"
    for link in recipe.defense:
        if link.at not in IN_TRAINING or not acts([link]):
            why = "" if acts([link]) else ": it counts questions, and a training asks none"
            raise LeakboardError(
                f"{link.name}(at={link.at!r}) does nothing in a training{why}",
                where=place,
                expected="defenses with at='training' (every member once) or at='augmentation' (whenever it is shown)",
                next="leakboard list defenses",
            )
        one = samples.take([0])
        with blamed(link.name, "apply()"):
            try:
                defended(link, one.images, seeder(recipe.seed, one.ids), "check")
            except Unsupported as error:
                raise LeakboardError(str(error), where=place, expected="a defense that takes these images") from error
    if any(count < 1 for count in recipe.copies):
        raise LeakboardError(
            f"copies={recipe.copies} leaves members out",
            where=f"recipe {recipe.name!r}",
            expected="numbers of copies from 1, such as copies=(1, 4, 16)",
        )


def facts(recipe: DiffusionRecipe, samples: Samples) -> dict[str, Any]:
    """What a manifest says of the training set: which members were copied, and what deduplication took out."""
    members = samples.take(np.flatnonzero(samples.member).tolist())
    rows = list(range(len(members.ids)))
    known: dict[str, Any] = {}
    if recipe.copies:
        counts = copies_of(members.ids, recipe.copies)
        rows = np.repeat(rows, counts).tolist()
        by_count = {
            str(count): sorted(name for name, each in zip(members.ids, counts, strict=True) if each == count)
            for count in sorted(set(counts))
        }
        known = {"copies": {count: len(ids) for count, ids in by_count.items()}, "copied_ids": by_count}
    if recipe.deduplicated:
        kept = len(distinct(members.images[rows]))
        known["deduplicated"] = {"before": len(rows), "after": kept}
    return known
