"""Null checks: cells in which nothing can be learned, and what it means when something was."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from leakboard.statistics.nulls import CHECKED_AXES, NullCheck, NullKind, beyond_chance, chance_p_value, null_kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from leakboard_reports.reading import Cell


BLIND, UNTRAINED, PERMUTED = get_args(NullKind)


@dataclass(frozen=True)
class NullRow:
    """All null cells of one kind on one victim; ``check`` names the blind check that it is, if it is one."""

    kind: str
    check: str
    dataset: str
    victim: str
    count: int
    outside: int
    extreme: Cell
    p_value: float
    alarm: bool


@dataclass(frozen=True)
class Suspect:
    """A dataset whose members can be told apart without the victim, and the blind checks that can, the surest first.

    ``worst`` holds the surest cell of each check.
    """

    dataset: str
    worst: tuple[Cell, ...]


@dataclass(frozen=True)
class Nulls:
    """The outcome of every null check; ``alarms`` are those that chance does not explain, the surest first.

    ``count`` and ``outside`` count distinct checks: a blind one says the same beside every victim.
    """

    rows: tuple[NullRow, ...]
    count: int
    outside: int
    alarms: tuple[tuple[Cell, float], ...]

    @property
    def suspects(self) -> dict[str, Suspect]:
        """By dataset: what blind checks found. They ask no victim, so every attack there may find the same."""
        worst: dict[str, dict[str, Cell]] = defaultdict(dict)
        for cell in self.of_kind(BLIND):
            worst[cell.dataset].setdefault(check_of(cell), cell)
        return {dataset: Suspect(dataset, tuple(cells.values())) for dataset, cells in sorted(worst.items())}

    @property
    def untrained(self) -> list[Cell]:
        """Alarms on untrained victims that no blind check explains."""
        return [cell for cell in self.of_kind(UNTRAINED) if cell.dataset not in self.suspects]

    @property
    def permuted(self) -> list[Cell]:
        """Alarms where the labels are dealt out at random: the evaluation itself is at fault."""
        return self.of_kind(PERMUTED)

    def of_kind(self, kind: str) -> list[Cell]:
        """Cells that raised an alarm, of one kind."""
        return [cell for cell, _ in self.alarms if kind_of(cell) == kind]


def kind_of(cell: Cell) -> str:
    """What makes this cell a null check."""
    return null_kind(cell.labels, cell.access)


def check_of(cell: Cell) -> str:
    """The name of a blind check: the attack's, or the observer's."""
    return cell.attack or cell.observer


def null_checks(cells: Iterable[Cell]) -> Nulls:
    """Every null cell's AUC against one half, corrected by `beyond_chance` over the distinct ones of its kind.

    Some 95 % intervals miss one half by chance: ``outside`` counts them, and a twentieth is expected.
    """
    nulls = [cell for cell in cells if cell.role == "null"]
    p_values = {cell.key: _p_value(cell) for cell in nulls}
    ordered = sorted(nulls, key=lambda cell: p_values[cell.key])
    checks = [_check(cell, p_values[cell.key]) for cell in ordered]
    judged = zip(ordered, checks, beyond_chance(checks), strict=True)
    beyond = {cell.key: check for cell, check, is_beyond in judged if is_beyond}
    groups: dict[tuple[str, str, str, str], list[Cell]] = defaultdict(list)
    for cell in nulls:
        kind = kind_of(cell)
        groups[(kind, check_of(cell) if kind == BLIND else "", *cell.place)].append(cell)
    rows = tuple(_row(*key, group, p_values, beyond.keys()) for key, group in sorted(groups.items()))
    # the cells of one check beside several victims are one finding, at the first of them
    found = {beyond[cell.key].identity: cell for cell in reversed(ordered) if cell.key in beyond}
    alarms = tuple((cell, p_values[cell.key]) for cell in sorted(found.values(), key=lambda cell: p_values[cell.key]))
    distinct = {check.identity: check for check in checks}.values()
    return Nulls(rows, len(distinct), sum(check.p_value < 0.05 for check in distinct), alarms)


def _check(cell: Cell, p_value: float) -> NullCheck:
    what = tuple(getattr(cell, axis) for axis in CHECKED_AXES)
    return NullCheck(cell.labels, cell.access, cell.victim, what, p_value)


def _row(
    kind: str,
    check: str,
    dataset: str,
    victim: str,
    cells: Sequence[Cell],
    p_values: Mapping[str, float],
    beyond: Collection[str],
) -> NullRow:
    extreme = min(cells, key=lambda cell: p_values[cell.key])
    outside = sum(p_values[cell.key] < 0.05 for cell in cells)
    alarm = any(cell.key in beyond for cell in cells)
    return NullRow(kind, check, dataset, victim, len(cells), outside, extreme, p_values[extreme.key], alarm)


def _p_value(cell: Cell) -> float:
    auc = cell.auc
    return 1.0 if auc.low is None or auc.high is None else chance_p_value(auc.value, auc.low, auc.high)
