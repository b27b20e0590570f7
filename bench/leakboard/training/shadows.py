"""Many victims of one recipe: shadow victims, each on its own half of the samples, and runs with other seeds."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from leakboard.training import train_recipe
from leakboard.training.claim import Busy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from leakboard.api import Dataset, Mask
    from leakboard.recipe import Recipe
    from leakboard.training import Progress

SHADOW_SEEDS = 1000
"""What is added to the seed of a recipe for its first shadow victim, so that none shares the seed of a run."""


class Training(NamedTuple):
    """One victim to be trained.

    Attributes:
        name: of its folder.
        recipe: with a seed of its own.
        members: from sample ids to those it is trained on; None for the members of the dataset.
    """

    name: str
    recipe: Recipe
    members: Callable[[Sequence[str]], Mask] | None = None


class Trained(NamedTuple):
    """What became of several trainings.

    Attributes:
        folders: of all checkpoints that are finished.
        elsewhere: names of the trainings that another process was at.
    """

    folders: list[Path]
    elsewhere: list[str]


def half(recipe: str, number: int, ids: Sequence[str]) -> Mask:
    """Which samples (N,) one shadow victim of a recipe is trained on: one half of all, whoever is a member.

    It follows from the ids, the name of the recipe and the number alone, so more shadow victims leave those before as
    they were. Numbers 2k and 2k + 1 are each other's complements: of an even number of shadow victims exactly half
    were trained on each sample, and half were not.
    """
    pair, second = divmod(number, 2)
    digests = [hashlib.sha256(f"shadows {pair} of {recipe}\x1f{sample}".encode()).digest() for sample in ids]
    ranked = sorted(range(len(ids)), key=digests.__getitem__)
    member = np.zeros(len(ids), bool)
    member[ranked[: len(ids) // 2]] = True
    return ~member if second else member


def shadows(recipe: Recipe, count: int) -> list[Training]:
    """``count`` shadow victims, each with a half and a seed of its own."""
    return [
        Training(
            f"shadow-{number:02d}",
            replace(recipe, seed=recipe.seed + SHADOW_SEEDS + number),
            functools.partial(half, recipe.name, number),
        )
        for number in range(count)
    ]


def runs(recipe: Recipe, count: int) -> list[Training]:
    """``count`` runs on the members of the dataset, with the seeds that come after the recipe's own."""
    return [Training(f"run-{number}", replace(recipe, seed=recipe.seed + number)) for number in range(1, count + 1)]


def train_all(
    trainings: Sequence[Training],
    dataset: Dataset,
    out: Path,
    *,
    levels: Sequence[str],
    progress: Progress,
    device: str = "cpu",
    generated: int = 256,
) -> Trained:
    """Train one after the other, each in a folder of its own below ``out``, and leave alone what is finished.

    What another process trains is passed over, so several processes that are told the same share the work.

    Args:
        trainings: what is trained.
        dataset: the samples of all of them.
        out: folder of the folders.
        levels: the checkpoints that are wanted of each.
        progress: as in `train_recipe`, told which training it is.
        device: as in `train_recipe`.
        generated: as in `train_recipe`.

    Raises:
        LeakboardError: as `train_recipe`.
    """
    found = Trained([], [])
    for place, training in enumerate(trainings, 1):
        title = f"{training.name} ({place} of {len(trainings)})"

        def told(doing: str, done: int, of: int, title: str = title) -> None:
            progress(f"{title}: {doing}", done, of)

        try:
            found.folders.extend(
                train_recipe(
                    training.recipe,
                    dataset,
                    out / training.name,
                    progress=told,
                    device=device,
                    generated=generated,
                    levels=levels,
                    members=training.members,
                    measure_again=False,
                )
            )
        except Busy:
            found.elsewhere.append(training.name)
    return found
