"""What ``leakboard train`` makes victims by; see `leakboard.training` for those that come with the package."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a victim is trained."""

    name: str
