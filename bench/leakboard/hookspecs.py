"""The hooks a plugin distribution may implement, under the entry-point group ``leakboard``.

Each but `leakboard_report` returns a list; importing the module that implements them must not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    from leakboard.api import Attack, Classifier, Dataset, Defense, Distance, Observer, Victim
    from leakboard.store import Store

PROJECT = "leakboard"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def leakboard_datasets() -> list[type[Dataset]]:  # type: ignore[empty-body]
    """Dataset classes: members and non-members."""


@hookspec
def leakboard_victims() -> list[type[Victim]]:  # type: ignore[empty-body]
    """Victim classes: diffusion models to attack."""


@hookspec
def leakboard_defenses() -> list[type[Defense]]:  # type: ignore[empty-body]
    """Defense classes: transformations of queries and outputs."""


@hookspec
def leakboard_observers() -> list[type[Observer]]:  # type: ignore[empty-body]
    """Observer classes: what is asked of the victim."""


@hookspec
def leakboard_distances() -> list[type[Distance]]:  # type: ignore[empty-body]
    """Distance classes: a pair to a number."""


@hookspec
def leakboard_classifiers() -> list[type[Classifier]]:  # type: ignore[empty-body]
    """Classifier classes: numbers to a membership score."""


@hookspec
def leakboard_attacks() -> list[Attack]:  # type: ignore[empty-body]
    """Named triples of observer, distance and classifier."""


@hookspec(firstresult=True)
def leakboard_report(store: Store, out: Path) -> Path | None:
    """Render the pages of a store into the folder ``out`` and return the page to open first."""
