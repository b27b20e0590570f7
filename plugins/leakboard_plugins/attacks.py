"""The published attacks and the blind checks, read from ``attacks.toml``: data, not code."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from leakboard.api import Attack


def load_attacks() -> list[Attack]:
    """Every attack of the file that ships with the plugins."""
    text = (files("leakboard_plugins") / "attacks.toml").read_text(encoding="utf-8")
    return [Attack(name=name, **fields) for name, fields in tomllib.loads(text).items()]
