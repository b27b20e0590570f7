"""The hooks a plugin distribution may implement, under the entry-point group ``leakboard``.

Each but `leakboard_report` returns a list; importing the module that implements them must not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    from leakboard.api import (
        Attack,
        Classifier,
        Dataset,
        Defense,
        Distance,
        Executor,
        Measure,
        Observer,
        Page,
        Victim,
    )
    from leakboard.recipe import Recipe
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
    """Distance classes: a pair to numbers of each sample."""


@hookspec
def leakboard_classifiers() -> list[type[Classifier]]:  # type: ignore[empty-body]
    """Classifier classes: numbers to a membership score."""


@hookspec
def leakboard_attacks() -> list[Attack]:  # type: ignore[empty-body]
    """Named triples of observer, distance and classifier."""


@hookspec
def leakboard_measures() -> list[Measure]:  # type: ignore[empty-body]
    """Numbers that are computed from the scores of every cell."""


@hookspec
def leakboard_executors() -> list[Executor]:  # type: ignore[empty-body]
    """Ways to run tasks, for ``--executor``."""


@hookspec
def leakboard_recipes() -> list[Recipe]:  # type: ignore[empty-body]
    """Recipes that ``leakboard train`` makes victims by."""


@hookspec
def leakboard_pages() -> list[Page]:  # type: ignore[empty-body]
    """Pages that join the report."""


@hookspec
def leakboard_report_folder(out: Path) -> None:
    """Refuse a folder that the report would not be written into, before a run is paid for; nothing is written yet."""


@hookspec(firstresult=True)
def leakboard_report(
    store: Store, out: Path, pages: list[Page], measures: list[Measure], pictures: bool
) -> Path | None:
    """Render a store and the ``pages`` of all plugins into the folder ``out``; return the page to open first.

    A page that fails gives HTML that says so; ``measures`` tell what numbers are called and how they are written.
    Images of datasets whose component says no ``public`` are shown with ``pictures`` only.
    """
