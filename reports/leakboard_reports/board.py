"""The leaderboard as compact JSON that board.js draws: texts are numbered, so 5,000 rows stay small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leakboard_reports.reading import attacks_of, defense_order, headline, places
from leakboard_reports.tables import MEASURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard_reports.reading import Cell

FIRST_ROWS = 25
"""Rows in the page itself, for readers without scripts."""

TEXTS = (
    "attack",
    "observer",
    "distance",
    "classifier",
    "victim",
    "defense",
    "attacker",
    "access",
    "role",
    "labels",
    "dataset",
    "fit",
)
NUMBERS = ("rank", "seed", "samples", "n_member", "n_nonmember", "queries", "nfe", "seconds", "peak_mb")
OFTEN_ALIKE = ("dataset", "victim", "defense", "attacker", "labels", "fit")
"""Columns that are told once, above the table, when all rows agree on them."""
FILTERS = ("dataset", "victim", "defense", "attacker", "access", "seed")


def payload(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Columns, word lists and rows of `tables.leaderboard`."""
    words = {name: _ordered(name, {row[name] for row in rows}) for name in TEXTS}
    number = {name: {word: place for place, word in enumerate(words[name])} for name in TEXTS}
    columns = [*TEXTS, *NUMBERS]
    for name in MEASURES:
        columns += [name, f"{name}_low", f"{name}_high", f"{name}_flag"]
    packed = [[number[c][row[c]] if c in number else _short(row[c]) for c in columns] for row in rows]
    return {"columns": columns, "words": words, "rows": packed, "alike": OFTEN_ALIKE}


def choices(rows: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Values that each filter offers; an axis with a single value needs no filter."""
    found = {name: _ordered(name, {str(row[name]) for row in rows}) for name in FILTERS}
    return {name: values for name, values in found.items() if len(values) > 1}


def opening(cells: Sequence[Cell], offered: dict[str, list[str]]) -> dict[str, str]:
    """Filters the page opens with: like is ranked against like, on the most leaking victim without a defense."""
    shown = headline(attacks_of(cells))
    if not shown:
        return {}
    dataset, victim = places(shown)[0]
    bare = next((cell.defense for cell in shown if cell.undefended and cell.place == (dataset, victim)), None)
    seed = min(cell.seed for cell in shown if cell.place == (dataset, victim))
    wanted = {"dataset": dataset, "victim": victim, "defense": bare, "seed": str(seed)}
    return {name: value for name, value in wanted.items() if value is not None and name in offered}


def matching(rows: Sequence[dict[str, Any]], start: dict[str, str]) -> list[dict[str, Any]]:
    """Attacks that pass the opening filters, for the rows in the page itself; rounded as `payload` rounds."""
    chosen = (row for row in rows if row["role"] == "attack" and all(str(row[n]) == v for n, v in start.items()))
    return [{name: _short(value) for name, value in row.items()} for row in chosen]


def alike(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What all rows agree on, by column."""
    found = {name: {str(row[name]) for row in rows} for name in OFTEN_ALIKE}
    return {name: values.pop() for name, values in found.items() if len(values) == 1}


def _ordered(name: str, values: set[str]) -> list[str]:
    if name == "seed":
        return sorted(values, key=int)
    return sorted(values, key=defense_order) if name == "defense" else sorted(values)


def _short(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value
