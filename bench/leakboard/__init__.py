"""How much does an image diffusion model leak about its training set, under which attack, and which defense helps?

In a notebook::

    import leakboard

    grid = leakboard.Grid.load("grids/quick.toml")
    leakboard.run(grid, store="quick.db")
    leakboard.Store("quick.db").results()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leakboard.errors import LeakboardError
    from leakboard.grid.grid import Grid
    from leakboard.hookspecs import hookimpl
    from leakboard.registry.find import Registry
    from leakboard.runs.missing import plan
    from leakboard.runs.report import report
    from leakboard.runs.runner import RunReport, run
    from leakboard.store import Store

__all__ = ["Grid", "LeakboardError", "Registry", "RunReport", "Store", "hookimpl", "plan", "report", "run"]
__version__ = "0.1.0"

_HOMES = {
    "Grid": "grid.grid",
    "LeakboardError": "errors",
    "Registry": "registry.find",
    "RunReport": "runs.runner",
    "Store": "store.store",
    "hookimpl": "hookspecs",
    "plan": "runs.missing",
    "report": "runs.report",
    "run": "runs.runner",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that ``import leakboard`` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'leakboard' has no attribute {name!r}")
    return getattr(importlib.import_module(f"leakboard.{_HOMES[name]}"), name)
