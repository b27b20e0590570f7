"""What belongs to a question beside its tensors: the prompts of a batch, and the names that noise is drawn under."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from leakboard.noise import Seeds

ASIDE = "base@"
"""Before the names of what is drawn for a victim without its adapter; no observer can ask for such a name."""


def aside(seeds: Seeds) -> Seeds:
    """The seeds of what victim and defenses draw when the adapter is off: others than when it is on.

    Else one answer would tell which noise to subtract from the other.
    """

    def named(query: str | Sequence[str], draw: int = 0) -> tuple[int, ...]:
        return seeds(f"{ASIDE}{query}" if isinstance(query, str) else [f"{ASIDE}{each}" for each in query], draw)

    return named


def word_of(prompts: Sequence[str] | None) -> str:
    """Tells questions with other prompts apart, where their answers are shown or get noise of their own."""
    return "" if prompts is None else hashlib.blake2b(repr(tuple(prompts)).encode(), digest_size=8).hexdigest()


def rows_of(prompts: Sequence[str] | None, start: int, part: torch.Tensor) -> Sequence[str] | None:
    """The prompts of a batch that begins at ``start``."""
    return None if prompts is None else prompts[start : start + len(part)]
