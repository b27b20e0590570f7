"""The plugins that come with Leakboard, announced through the same hooks as anybody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.hookspecs import hookimpl

if TYPE_CHECKING:
    from leakboard.api import Attack, Classifier, Dataset, Distance, Observer, Victim


@hookimpl
def leakboard_datasets() -> list[type[Dataset]]:
    """The shipped images, and your own in folders."""
    from leakboard_plugins.datasets import DATASETS

    return list(DATASETS)


@hookimpl
def leakboard_victims() -> list[type[Victim]]:
    """The shipped diffusion models, and your own in folders."""
    from leakboard_plugins.victims import VICTIMS

    return list(VICTIMS)


@hookimpl
def leakboard_observers() -> list[type[Observer]]:
    """What can be asked of a victim."""
    from leakboard_plugins.observers import OBSERVERS

    return list(OBSERVERS)


@hookimpl
def leakboard_distances() -> list[type[Distance]]:
    """Pixel, structure, feature and noise distances."""
    from leakboard_plugins.distances import DISTANCES

    return list(DISTANCES)


@hookimpl
def leakboard_classifiers() -> list[type[Classifier]]:
    """Thresholds and trained classifiers."""
    from leakboard_plugins.classifiers import CLASSIFIERS

    return list(CLASSIFIERS)


@hookimpl
def leakboard_attacks() -> list[Attack]:
    """The published attacks of ``attacks.toml``."""
    from leakboard_plugins.attacks import load_attacks

    return load_attacks()
