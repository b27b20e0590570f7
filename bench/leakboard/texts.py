"""Texts of others on their way to a store or a terminal: cut where they are endless, escaped where they deceive."""

from __future__ import annotations

import re

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal acts on and does not show: control characters, marks that turn the direction of writing round."""


def escaped(text: str) -> str:
    """The text with what cannot be seen spelled out as in Python, the right-to-left mark U+200F by its number."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def cut(text: str, most: int) -> str:
    """The beginning and the end of a text of more than ``most`` characters, and how many were left out."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} ... ({len(text) - 2 * half:,} characters left out) ... {text[-half:]}"
