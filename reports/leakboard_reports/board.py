"""The leaderboard as compact JSON that board.js draws: texts are numbered, so 5,000 rows stay small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from leakboard_reports import attackers, bypasses
from leakboard_reports.reading import attacks_of, defense_order, headline, places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard_reports import measures
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
    "note",
    "bypass",
)
NUMBERS = ("rank", "seed", "members", "nonmembers", "n_member", "n_nonmember", "queries", "nfe", "seconds", "peak_mb")
OFTEN_ALIKE = ("dataset", "victim", "defense", "attacker", "labels", "fit")
"""Columns that are told once, above the table, when all rows agree on them."""
FILTERS = ("dataset", "victim", "defense", "attacker", "access", "seed")
LESS = ("tpr_at_0.1pct_fpr",)
"""Measures that are shown only on demand: they need more samples than most grids have."""


class Column(NamedTuple):
    """One column: its name in a row, its heading, ``text``, ``number`` or ``measure``, and whether it starts shown."""

    key: str
    label: str
    kind: str
    shown: bool


def columns(measured: Sequence[measures.Column]) -> list[Column]:
    """The columns of the leaderboard in their order."""
    return [
        Column("rank", "Rank", "number", True),
        Column("attack", "Attack", "text", True),
        Column("victim", "Victim", "text", True),
        Column("defense", "Defense", "text", True),
        Column("attacker", "Attacker", "text", True),
        Column("access", "Access", "text", True),
        *(Column(each.name, each.title, "measure", each.name not in LESS) for each in measured),
        Column("n_member", "Members / non-members", "number", True),
        Column("queries", "Queries", "number", True),
        Column("nfe", "NFE", "number", True),
        Column("seconds", "Seconds", "number", True),
        Column("fit", "Image fit", "text", True),
        Column("dataset", "Dataset", "text", False),
        Column("seed", "Seed", "number", False),
        Column("members", "Members in use", "number", False),
        Column("nonmembers", "Non-members in use", "number", False),
        Column("labels", "Labels", "text", False),
        Column("peak_mb", "Peak MB", "number", False),
    ]


def written(rows: Sequence[dict[str, Any]], measured: Sequence[measures.Column]) -> list[dict[str, Any]]:
    """Rows of `tables.leaderboard` as they are shown, with and without scripts.

    Numbers are rounded; of each measure there is also how it and its interval are written.
    """
    return [
        {name: _short(value) for name, value in row.items()}
        | {f"{each.name}_text": each.write(row[each.name]) for each in measured}
        | {f"{each.name}_limits": each.limits(row[f"{each.name}_low"], row[f"{each.name}_high"]) for each in measured}
        for row in rows
    ]


def payload(rows: Sequence[dict[str, Any]], measured: Sequence[measures.Column]) -> dict[str, Any]:
    """Columns, word lists and rows of `written`."""
    words = {name: _ordered(name, {row[name] for row in rows}) for name in TEXTS}
    number = {name: {word: place for place, word in enumerate(words[name])} for name in TEXTS}
    names = [*TEXTS, *NUMBERS, "auc_low", "auc_high"]
    flags = sorted({row[f"{each.name}_flag"] for row in rows for each in measured})
    for each in measured:
        number[f"{each.name}_flag"] = {flag: place for place, flag in enumerate(flags)}
        names += [each.name, *(f"{each.name}_{part}" for part in ("text", "limits", "flag"))]
    packed = [[number[c][row[c]] if c in number else row[c] for c in names] for row in rows]
    marks = {bypass: bypasses.marks(bypass) for bypass in words["bypass"]}
    return {"columns": names, "words": words, "rows": packed, "alike": OFTEN_ALIKE, "flags": flags, "marks": marks}


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
    mine = [cell for cell in shown if cell.place == (dataset, victim)]
    bare = [cell for cell in mine if cell.undefended]
    wanted = {"dataset": dataset, "victim": victim, "seed": str(min(cell.seed for cell in mine))}
    if bare:
        wanted["defense"] = bare[0].defense
    if len(known := sorted({cell.attacker for cell in bare or mine}, key=attackers.order)) > 1:
        wanted["attacker"] = known[0]
    return {name: value for name, value in wanted.items() if name in offered}


def matching(rows: Sequence[dict[str, Any]], start: dict[str, str]) -> list[dict[str, Any]]:
    """Attacks that pass the opening filters, for the rows in the page itself."""
    return [row for row in rows if row["role"] == "attack" and all(str(row[name]) == v for name, v in start.items())]


def alike(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What all rows agree on, by column."""
    found = {name: {str(row[name]) for row in rows} for name in OFTEN_ALIKE}
    return {name: values.pop() for name, values in found.items() if len(values) == 1}


def _ordered(name: str, values: set[str]) -> list[str]:
    if name == "seed":
        return sorted(values, key=int)
    if name == "attacker":
        return sorted(values, key=attackers.order)
    return sorted(values, key=defense_order) if name == "defense" else sorted(values)


def _short(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value
