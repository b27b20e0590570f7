"""The leaderboard as compact JSON that board.js draws: texts are numbered, so 5,000 rows stay small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from leakboard_reports import attackers, bypasses
from leakboard_reports.formats import ABSENT, amount
from leakboard_reports.reading import (
    ACCESS_MEANINGS,
    ACCESS_NAMES,
    ACCESS_ORDER,
    attacks_of,
    defense_order,
    headline,
    places,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard_reports import measures
    from leakboard_reports.reading import Cell

FIRST_ROWS = 10
"""Rows of each access level that the page opens with."""

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
    "chosen",
)
NUMBERS = ("rank", "seed", "members", "nonmembers", "n_member", "n_nonmember", "queries", "nfe", "seconds", "peak_mb")
NEVER_ALIKE = ("rank", "attack", "auc")
"""Columns that stay in the table even if all rows agree on them; what they agree on otherwise is told above it once."""
ALWAYS_TOLD = ("dataset", "victim", "defense", "attacker", "seed", "n_member", "fit")
"""What the caption tells of rows that agree on it, although it is no column at first."""
COSTS = ("queries", "nfe", "seconds", "peak_mb")
FILTERS = ("dataset", "victim", "defense", "attacker", "access", "seed")
LESS = ("tpr_at_0.1pct_fpr", "set_p_value", "set_size", "epsilon")
"""Measures that are shown only on demand: they need more samples than most grids have, or have a page of their own."""


class Column(NamedTuple):
    """One column: its name in a row, its heading, its kind, whether it starts shown, and what its numbers count.

    The kind is ``text``, ``number`` or ``measure``.
    """

    key: str
    label: str
    kind: str
    shown: bool
    unit: str = ""

    @property
    def spoken(self) -> str:
        """The heading as it stands within a sentence."""
        return self.label if self.label[1:2].isupper() else self.label[:1].lower() + self.label[1:]


class Level(NamedTuple):
    """The rows of one access level: its name, its heading in words, and how many there are beside the first ones."""

    access: str
    name: str
    gives: str
    rows: list[dict[str, Any]]
    total: int

    @property
    def shown(self) -> int:
        """How many rows the page opens with."""
        return len(self.rows)


def columns(measured: Sequence[measures.Column]) -> list[Column]:
    """The columns of the leaderboard in their order."""
    return [
        Column("rank", "Rank", "number", True),
        Column("attack", "Attack", "text", True),
        Column("dataset", "Dataset", "text", False),
        Column("victim", "Victim", "text", True),
        Column("defense", "Defense", "text", True),
        Column("attacker", "Attacker", "text", True),
        Column("access", "Access", "text", False),
        Column("seed", "Seed", "number", False),
        *(Column(each.name, each.title, "measure", each.name not in LESS, each.unit) for each in measured),
        Column("n_member", "Members / non-members", "number", True, "evaluated samples"),
        Column("queries", "Queries", "number", True, "per sample"),
        Column("nfe", "NFE", "number", True, "per sample"),
        Column("seconds", "Time", "number", True, "s, all samples"),
        Column("fit", "Image fit", "text", True),
        Column("members", "Members in use", "number", False, "samples"),
        Column("nonmembers", "Non-members in use", "number", False, "samples"),
        Column("labels", "Labels", "text", False),
        Column("peak_mb", "Peak memory", "number", False, "MB"),
    ]


def written(rows: Sequence[dict[str, Any]], measured: Sequence[measures.Column]) -> list[dict[str, Any]]:
    """Rows of `tables.leaderboard` as they are shown, with and without scripts.

    Numbers are rounded; of each measure there is also how it and its interval are written, and what is wrong with it.
    """
    return [{name: _short(value) for name, value in row.items()} | _texts(row, measured) for row in rows]


def _texts(row: dict[str, Any], measured: Sequence[measures.Column]) -> dict[str, str]:
    texts = {}
    for each in measured:
        texts[f"{each.name}_text"] = each.write(row[each.name])
        texts[f"{each.name}_limits"] = each.limits(row[f"{each.name}_low"], row[f"{each.name}_high"])
        texts[f"{each.name}_why"] = each.reason(row[f"{each.name}_flag"], row["n_nonmember"])
    return texts


def payload(rows: Sequence[dict[str, Any]], measured: Sequence[measures.Column]) -> dict[str, Any]:
    """Columns, word lists and rows of `written`."""
    words = {name: _ordered(name, {row[name] for row in rows}) for name in TEXTS}
    number = {name: {word: place for place, word in enumerate(words[name])} for name in TEXTS}
    common = {
        part: sorted({row[f"{each.name}_{part}"] for row in rows for each in measured}) for part in ("flag", "why")
    }
    for each in measured:
        for part, texts in common.items():
            number[f"{each.name}_{part}"] = {text: place for place, text in enumerate(texts)}
    parts = [f"{each.name}_{part}" for each in measured for part in ("limits", "flag", "why")]
    # what all rows have in common is told once: a measure without intervals takes no room for them
    values = {name: {row[name] for row in rows} for name in parts}
    fixed = {
        name: number[name][text] if name in number else text
        for name, found in values.items()
        for text in found
        if len(found) == 1
    }
    names = [*TEXTS, *NUMBERS, "auc_low", "auc_high"]
    names += [name for each in measured for name in (each.name, f"{each.name}_text")]
    names += [name for name in parts if name not in fixed]
    packed = [[number[c][row[c]] if c in number else row[c] for c in names] for row in rows]
    marks = {bypass: bypasses.marks(bypass) for bypass in words["bypass"]}
    return {
        "columns": names,
        "fixed": fixed,
        "words": words,
        "rows": packed,
        "flags": common["flag"],
        "whys": common["why"],
        "marks": marks,
        "levels": [[access, ACCESS_NAMES[access], ACCESS_MEANINGS[access]] for access in ACCESS_ORDER],
        "first": FIRST_ROWS,
        "never_alike": NEVER_ALIKE,
        "always_told": ALWAYS_TOLD,
    }


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


def levels(rows: Sequence[dict[str, Any]]) -> list[Level]:
    """Rows apart by access level: attackers who get more are no competitors of those who get less."""
    apart = [(access, [row for row in rows if row["access"] == access]) for access in ACCESS_ORDER]
    return [
        Level(access, ACCESS_NAMES[access], ACCESS_MEANINGS[access], some[:FIRST_ROWS], len(some))
        for access, some in apart
        if some
    ]


def alike(rows: Sequence[dict[str, Any]], shown: Sequence[Column]) -> dict[str, str]:
    """What all rows agree on, by column: the words of the caption, for what needs no column.

    A measure is one only where no row has a number to show, for numbers are what the table is for.
    """
    found = {}
    for column in shown:
        texts = {_told(row, column) for row in rows}
        if column.key not in NEVER_ALIKE and len(texts) == 1 and (text := texts.pop()) is not None:
            found[column.key] = " ".join(word for word in (column.spoken, text, _counted(column)) if word)
    return found


def told_alike(columns: Sequence[Column]) -> list[Column]:
    """Columns that the caption may tell of: those that start shown, and `ALWAYS_TOLD`."""
    return [column for column in columns if column.shown or column.key in ALWAYS_TOLD]


def _told(row: dict[str, Any], column: Column) -> str | None:
    """What stands in a cell, as text; None for a measure's number."""
    key = column.key
    if column.kind == "measure":
        hidden = row[f"{key}_flag"] == "hidden"
        return f"{ABSENT}, {row[f'{key}_why']}" if hidden else row[f"{key}_text"] if row[key] is None else None
    if key == "n_member":
        return f"{row['n_member']} / {row['n_nonmember']}"
    return amount(row[key]) if key in COSTS else str(row[key])


def _counted(column: Column) -> str:
    return "" if column.kind == "measure" else column.unit


def _ordered(name: str, values: set[str]) -> list[str]:
    if name == "seed":
        return sorted(values, key=int)
    if name == "attacker":
        return sorted(values, key=attackers.order)
    return sorted(values, key=defense_order) if name == "defense" else sorted(values)


def _short(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value
