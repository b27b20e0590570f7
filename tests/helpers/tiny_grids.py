"""Grids of the plugins in tests/plugins/tiny.py, and what tests want to know of their stores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakboard.grid.grid import Grid
from leakboard.store.artifacts import Artifacts

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from leakboard.store import Store

PLUGIN = Path(__file__).parents[1] / "plugins" / "tiny.py"


def tiny(**tables: Any) -> Grid:
    """A grid with the axes given, and one harmless component on each of the others."""
    axes: dict[str, Any] = {
        "dataset": "tiny",
        "victim": "linear",
        "observer": "glance",
        "distance": "gap",
        "classifier": "mean",
    }
    run = {"shard": 16, **tables.pop("run", {})}
    plugins = [PLUGIN, *tables.pop("plugins", [])]
    return Grid.of(plugins=plugins, **{**axes, **tables}, run=run)


def toml(**tables: Any) -> str:
    """The same as a grid file."""
    axes = {"dataset": ["tiny"], "victim": ["linear"], "observer": ["glance"], "distance": ["gap"], **tables}
    run = axes.pop("run", {"shard": 16})
    lines = ["[run]", *(f"{key} = {value!r}" for key, value in run.items()), "[grid]"]
    return "\n".join([*lines, *(f"{key} = {value!r}" for key, value in axes.items())]) + "\n"


def statuses(store: Store, *axes: str) -> dict[Any, set[str]]:
    """Statuses of cells by the labels along one or several axes."""
    found: dict[Any, set[str]] = {}
    for row in store.cells().to_dict("records"):
        key = tuple(str(row[axis]) for axis in axes) if len(axes) > 1 else str(row[axes[0]])
        found.setdefault(key, set()).add(str(row["status"]))
    return found


def numbers(store: Store) -> pd.DataFrame:
    """Results without what may differ from run to run."""
    frame = store.results().drop(columns=["seconds", "peak_mb", "run", "created"])
    return frame.sort_values(["cell", "measure"]).reset_index(drop=True)


def payloads(store: Store, kind: str) -> dict[str, np.ndarray]:
    """Bytes of the main tensor of every artifact of a kind."""
    artifacts, name = Artifacts(store.artifacts), {"features": "values", "scores": "score"}[kind]
    tensors = {entry.key: artifacts.get(entry.key)[0] for entry in artifacts.list()}
    return {key: found[name] for key, found in tensors.items() if name in found}


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    """Whether two sets of payloads agree to the bit."""
    return first.keys() == second.keys() and all(first[key].tobytes() == second[key].tobytes() for key in first)
