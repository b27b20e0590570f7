"""Where results live: a SQLite file by default, PostgreSQL by URL; one writer, any number of readers."""

from leakboard.artifacts import ArtifactRow
from leakboard.store.exporting import Exported, export
from leakboard.store.merging import MergeReport, merge
from leakboard.store.rows import AttemptRow, CellRow, ComponentRow, ResultRow, RunInfo, TaskRow
from leakboard.store.store import Store

__all__ = [
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
    "export",
    "merge",
]
