"""What a question consists of: who may ask it, what may be sent, with which prompts, by which names noise is drawn."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from leakboard.api import Access, AccessDenied, Unsupported
from leakboard.asking import ACCESS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from leakboard.noise import Seeds

OWN = {"reconstruct", "generate"}
"""Queries whose noise the victim draws: an observer that knew it could subtract it."""
ASIDE = "base@"
"""Before the names of what is drawn for a victim without its adapter."""


def allow(needed: Access, query: str, declared: Access, answered: Access) -> None:
    """Let a question pass that the observer declares, and that the victim answers.

    Raises:
        AccessDenied: it needs more than the observer declares.
        Unsupported: it needs more than the victim answers.
    """
    if ACCESS.index(needed) > ACCESS.index(declared):
        raise AccessDenied(f"{query} needs {needed} access, the observer declares {declared}")
    if ACCESS.index(needed) > ACCESS.index(answered):
        raise Unsupported(f"{query} needs {needed} access, the victim answers {answered} at most")


def check_images(images: torch.Tensor, own: torch.Tensor, *, whole: bool) -> None:
    """Refuse what is no image a sample: another number than of ``own``, with ``whole`` also another size.

    Raises:
        ValueError: what is wrong.
    """
    if images.ndim != 4 or len(images) != len(own):
        raise ValueError(f"images of shape {tuple(images.shape)} were sent, expected {len(own)} (N, C, H, W)")
    if whole and images.shape != own.shape:
        raise ValueError(f"images of shape {tuple(images.shape)} were sent, expected {tuple(own.shape)}")
    if not bool(((images >= 0) & (images <= 1)).all()):
        raise ValueError("images were sent that leave [0, 1] or hold values that are not numbers")


def texts(prompts: Sequence[str] | None, usual: tuple[str, ...] | None, count: int) -> tuple[str, ...] | None:
    """The prompts of a question, one a sample, or the usual ones.

    Raises:
        ValueError: they are more or fewer than the samples.
    """
    if prompts is None:
        return usual
    if len(prompts) != count:
        raise ValueError(f"{len(prompts)} prompts for {count} samples, expected one a sample")
    return tuple(prompts)


def rows_of(prompts: Sequence[str] | None, start: int, part: torch.Tensor) -> Sequence[str] | None:
    """The prompts of a batch that begins at ``start``."""
    return None if prompts is None else prompts[start : start + len(part)]


def word(prompts: Sequence[str] | None) -> str:
    """Tells questions with other prompts apart, where their answers are shown or get noise of their own."""
    return "" if prompts is None else hashlib.blake2b(repr(tuple(prompts)).encode(), digest_size=8).hexdigest()


def aside(seeds: Seeds) -> Seeds:
    """The seeds of what is drawn for a victim without its adapter."""

    def named(query: str | Sequence[str], draw: int = 0) -> tuple[int, ...]:
        return seeds(f"{ASIDE}{query}" if isinstance(query, str) else [f"{ASIDE}{each}" for each in query], draw)

    return named
