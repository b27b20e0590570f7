"""What to cite for the attacks in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leakboard.api import Attack
    from leakboard.store import Store


def references(store: Store, attacks: Mapping[str, Attack]) -> tuple[str, tuple[str, ...]]:
    """BibTeX of the named attacks that have results, each paper once, and the names of those that bring none."""
    named = sorted(set(store.results()["attack"].dropna()) - {""})
    known = {name: attacks[name].bibtex.strip() if name in attacks else "" for name in named}
    entries = dict.fromkeys(entry for text in known.values() for entry in text.split("\n\n") if entry)
    return "".join(f"{entry}\n\n" for entry in entries), tuple(name for name in named if not known[name])
