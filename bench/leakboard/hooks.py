"""What the harness itself brings through the hooks that are open to everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.hookspecs import hookimpl

if TYPE_CHECKING:
    from leakboard.api import Executor, Measure
    from leakboard.recipe import Recipe


@hookimpl
def leakboard_measures() -> list[Measure]:
    """AUC, TPR at low FPR, balanced accuracy."""
    from leakboard.statistics.measures import BUILT_IN

    return [*BUILT_IN]


@hookimpl
def leakboard_executors() -> list[Executor]:
    """This process, or worker processes."""
    from leakboard.runs.executors import PROCESSES, SERIAL

    return [SERIAL, PROCESSES]


@hookimpl
def leakboard_recipes() -> list[Recipe]:
    """How the embedded victims were made."""
    from leakboard.training.private import PRIVATE
    from leakboard.training.recipes import RECIPES

    return [*RECIPES, *PRIVATE]
