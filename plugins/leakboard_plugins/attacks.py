"""The published attacks and the blind checks, read from ``attacks.toml`` and ``references.bib``: data, not code."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from typing import Any

from leakboard.api import Attack


def load_attacks() -> list[Attack]:
    """Every attack of the file that ships with the plugins."""
    text = (files("leakboard_plugins") / "attacks.toml").read_text(encoding="utf-8")
    entries = (files("leakboard_plugins") / "references.bib").read_text(encoding="utf-8").strip().split("\n\n")
    return [_attack(name, fields, entries) for name, fields in tomllib.loads(text).items()]


def _attack(name: str, fields: dict[str, Any], entries: list[str]) -> Attack:
    given = {**fields, "published": tuple(fields.get("published", ()))}
    return Attack(name=name, bibtex=_cited(fields.get("source", ""), entries), **given)


def _cited(source: str, entries: list[str]) -> str:
    """The entries of the papers whose arXiv numbers a source names."""
    found = [entry for entry in entries if (number := re.search(r"eprint = \{(.+)\}", entry)) and number[1] in source]
    return "\n\n".join(found)
