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
    """This process, worker processes, or workers on other machines."""
    from leakboard.runs.executors import DASK, LOCAL_CLUSTER, PROCESSES, SERIAL, SLURM

    return [SERIAL, PROCESSES, LOCAL_CLUSTER, DASK, SLURM]


@hookimpl
def leakboard_recipes() -> list[Recipe]:
    """How the embedded victims were made."""
    from leakboard.training.private import PRIVATE
    from leakboard.training.recipes import RECIPES

    return [*RECIPES, *PRIVATE]
