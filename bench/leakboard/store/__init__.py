"""Where results live: a SQLite file by default, PostgreSQL by URL; one writer, any number of readers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leakboard.store.artifacts import ArtifactRow
    from leakboard.store.exporting import NULL_CHECK, Exported, as_csv, as_text, export
    from leakboard.store.merging import MergeReport, merge
    from leakboard.store.rows import AttemptRow, CellRow, ComponentRow, ResultRow, RunInfo, TaskRow
    from leakboard.store.store import Store

__all__ = [
    "NULL_CHECK",
    "ArtifactRow",
    "AttemptRow",
    "CellRow",
    "ComponentRow",
    "Exported",
    "MergeReport",
    "ResultRow",
    "RunInfo",
    "Store",
    "TaskRow",
    "as_csv",
    "as_text",
    "export",
    "merge",
]

_HOMES = {
    "ArtifactRow": "artifacts",
    "Exported": "exporting",
    "MergeReport": "merging",
    "NULL_CHECK": "exporting",
    "Store": "store",
    "as_csv": "exporting",
    "as_text": "exporting",
    "export": "exporting",
    "merge": "merging",
}


def __getattr__(name: str) -> Any:
    """Load a name when it is first used: a worker that writes payload files needs no database."""
    if name not in __all__:
        raise AttributeError(f"module 'leakboard.store' has no attribute {name!r}")
    return getattr(importlib.import_module(f"leakboard.store.{_HOMES.get(name, 'rows')}"), name)
