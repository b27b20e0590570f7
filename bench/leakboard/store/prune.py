"""How much room the payload files take, and which may go."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from leakboard.keys import PAID, paid_kind
from leakboard.store.artifacts import Artifacts, Pruned

if TYPE_CHECKING:
    from pathlib import Path

    from leakboard.store import Store
    from leakboard.store.buckets import Bucket

KINDS = ("samples", "pool", "features", "scores", "preview", "fidelity", "quality", *PAID)
KEPT = ("samples", "preview", "fidelity", "quality", *PAID)
"""A contact sheet is a ``preview`` in stores, and in its key: that name is older, and stored results go by it."""


def usage(store: Store, folder: Path | Bucket | None = None) -> list[tuple[str, int, int]]:
    """Kind, number of files and bytes of what lies in the artifact folder; ``unknown`` for files no store row names."""
    kinds = _kinds(store)
    files: dict[str, list[int]] = defaultdict(list)
    for entry in Artifacts(folder or store.artifacts).list():
        files[kinds.get(entry.key) or paid_kind(entry.key) or "unknown"].append(entry.bytes)
    return [(kind, len(sizes), sum(sizes)) for kind, sizes in sorted(files.items())]


def prune(store: Store, folder: Path | Bucket | None = None) -> Pruned:
    """Remove features, pools, scores of superseded attempts, files unknown to the store, and damaged files.

    What is removed is computed again when a grid needs it; scores of current results and pictures stay, and so does
    all that was paid for, whether the store knows it or not.
    """
    artifacts = Artifacts(folder or store.artifacts)
    kinds = _kinds(store)
    current = {key for key in store.cells()["scores_key"] if isinstance(key, str)}
    keep = {key for key, kind in kinds.items() if kind in KEPT} | current
    keep |= {entry.key for entry in artifacts.list() if paid_kind(entry.key)}
    return artifacts.prune({key for key in keep if artifacts.whole(key)})


def _kinds(store: Store) -> dict[str, str]:
    return {key: kind for kind in KINDS for key in store.artifact_digests(kind)}
