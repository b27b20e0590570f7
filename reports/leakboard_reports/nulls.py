"""Null checks: cells in which nothing can be learned, and what it means when something was."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakboard.measures import FAMILY_ERROR, chance_p_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakboard_reports.reading import Cell


@dataclass(frozen=True)
class NullRow:
    """All null cells of one kind on one victim."""

    kind: str
    dataset: str
    victim: str
    count: int
    outside: int
    extreme: Cell
    p_value: float


@dataclass(frozen=True)
class Nulls:
    """The outcome of every null check; ``alarms`` are those that chance does not explain."""

    rows: tuple[NullRow, ...]
    count: int
    outside: int
    alarms: tuple[tuple[Cell, float], ...]


def kind_of(cell: Cell) -> str:
    """What makes this cell a null check."""
    if cell.labels == "permuted":
        return "permuted labels"
    return "blind observer" if cell.access == "none" else "untrained victim"


def null_checks(cells: Iterable[Cell]) -> Nulls:
    """Every null cell's AUC against one half, Bonferroni-corrected over their number at `FAMILY_ERROR`.

    Some 95 % intervals miss one half by chance: ``outside`` counts them, and a twentieth is expected.
    """
    nulls = [cell for cell in cells if cell.role == "null"]
    p_values = {cell.key: _p_value(cell) for cell in nulls}
    groups: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
    for cell in nulls:
        groups[(kind_of(cell), *cell.place)].append(cell)
    rows = tuple(_row(*key, group, p_values) for key, group in sorted(groups.items()))
    ordered = sorted(nulls, key=lambda cell: p_values[cell.key])
    alarms = tuple((cell, p_values[cell.key]) for cell in ordered if p_values[cell.key] * len(nulls) < FAMILY_ERROR)
    return Nulls(rows, len(nulls), sum(row.outside for row in rows), alarms)


def _row(kind: str, dataset: str, victim: str, cells: Sequence[Cell], p_values: dict[str, float]) -> NullRow:
    extreme = min(cells, key=lambda cell: p_values[cell.key])
    outside = sum(p_values[cell.key] < 0.05 for cell in cells)
    return NullRow(kind, dataset, victim, len(cells), outside, extreme, p_values[extreme.key])


def _p_value(cell: Cell) -> float:
    auc = cell.auc
    return 1.0 if auc.low is None or auc.high is None else chance_p_value(auc.value, auc.low, auc.high)
