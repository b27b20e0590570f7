"""Prompts made of the names of classes.

Datasets that ship with the package use it, so that a change here changes the identity of their results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def photo_of(label: str) -> str:
    """The prompt for an image of which only the class is known."""
    return f"a photo of {'an' if label[:1].lower() in set('aeiou') else 'a'} {label}"


def photos_of(labels: Sequence[str]) -> tuple[str, ...] | None:
    """The prompts for images of which only the classes are known; None where the classes are mere numbers."""
    return None if all(label.isdecimal() for label in labels) else tuple(map(photo_of, labels))
