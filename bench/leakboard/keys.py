"""Content keys: what a result depends on, and nothing else. Every key rule stands here."""

from __future__ import annotations

import hashlib
import json
from typing import Any

KEY_FORMAT = 1
"""Raised when a change to the harness changes numbers; older results are then computed again."""


def content_key(stage: str, *parts: Any) -> str:
    """sha256 over the stage, the key format and the identities a result depends on."""
    return hashlib.sha256(json.dumps([stage, KEY_FORMAT, *parts], sort_keys=True).encode()).hexdigest()


def samples_key(dataset: str) -> str:
    """Key of the list of all samples of a dataset, from its identity."""
    return content_key("samples", dataset)


def contact_sheet_key(dataset: str, victim: str, defense: str, seed: int) -> str:
    """Key of the pictures shown for one victim behind one defense, from component identities."""
    return content_key("preview", dataset, victim, defense, seed)


def pool_key(victim: str, fit: str, question: str) -> str:
    """Key of generated images that all samples share: of a victim, how they were fitted, and what was asked."""
    return content_key("pool", victim, fit, question)


def scores_key(cell: str) -> str:
    """Key of a cell's scores."""
    return content_key("scores", cell)
