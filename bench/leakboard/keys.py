"""Content keys: what a result depends on, and nothing else."""

from __future__ import annotations

import hashlib
import json
from typing import Any

KEY_FORMAT = 1
"""Raised when a change to the harness changes numbers; older results are then computed again."""


def content_key(stage: str, *parts: Any) -> str:
    """sha256 over the stage, the key format and the identities a result depends on."""
    return hashlib.sha256(json.dumps([stage, KEY_FORMAT, *parts], sort_keys=True).encode()).hexdigest()
