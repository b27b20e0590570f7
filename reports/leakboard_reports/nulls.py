"""Null checks: cells in which nothing can be learned, and what it means when something was."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from leakboard.statistics.nulls import (
    CHECKED_AXES,
    NOT_AT_CHANCE,
    TOO_FEW,
    Family,
    Judged,
    NullCheck,
    NullKind,
    Verdict,
    judge,
    null_kind,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from leakboard.statistics.permutation import Scores
    from leakboard_reports.reading import Cell


BLIND, UNTRAINED, PERMUTED = get_args(NullKind)


@dataclass(frozen=True)
class NullRow:
    """All null cells of one kind on one victim; ``check`` names the blind check that it is, if it is one.

    ``detectable`` is the AUC that would have been found in any of them, None where none would.
    """

    kind: str
    check: str
    dataset: str
    victim: str
    count: int
    outside: int
    extreme: Cell
    p_value: float
    verdict: Verdict
    detectable: float | None


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

    ``count``, ``outside`` and ``too_few`` count distinct checks: a blind one says the same beside every victim.
    ``families`` tells of the mean of each kind.
    """

    rows: tuple[NullRow, ...]
    count: int
    outside: int
    too_few: int
    alarms: tuple[tuple[Cell, float], ...]
    families: Mapping[NullKind, Family]

    @property
    def shared(self) -> dict[NullKind, Family]:
        """Kinds whose mean is not at chance although no single check is: a fault that all of them share."""
        single = {kind_of(cell) for cell, _ in self.alarms}
        return {
            kind: family
            for kind, family in self.families.items()
            if family.verdict == NOT_AT_CHANCE and kind not in single
        }

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


def null_checks(cells: Iterable[Cell], scores: Callable[[Cell], Scores | None] = lambda _: None) -> Nulls:
    """Every null cell's AUC against one half, judged by `leakboard.statistics.nulls.judge`.

    Some 95 % intervals miss one half by chance: ``outside`` counts them, and a twentieth is expected.
    """
    nulls = [cell for cell in cells if cell.role == "null"]
    checks = [_check(cell, scores(cell)) for cell in nulls]
    judgement = judge(checks)
    told = dict(zip((cell.key for cell in nulls), judgement.singles, strict=True))
    groups: dict[tuple[str, str, str, str], list[Cell]] = defaultdict(list)
    for cell in nulls:
        kind = kind_of(cell)
        groups[(kind, check_of(cell) if kind == BLIND else "", *cell.place)].append(cell)
    rows = tuple(_row(*key, group, told) for key, group in sorted(groups.items()))
    # the cells of one check beside several victims are one finding, at the first of them
    distinct = dict(reversed([(check.identity, cell) for check, cell in zip(checks, nulls, strict=True)]))
    first = sorted(distinct.values(), key=lambda cell: told[cell.key].p_value)
    alarms = tuple((cell, told[cell.key].p_value) for cell in first if told[cell.key].verdict == NOT_AT_CHANCE)
    too_few = sum(told[cell.key].verdict == TOO_FEW for cell in first)
    return Nulls(rows, len(first), sum(map(_misses, first)), too_few, alarms, judgement.families)


def _check(cell: Cell, scores: Scores | None) -> NullCheck:
    what, auc = tuple(getattr(cell, axis) for axis in CHECKED_AXES), cell.auc
    return NullCheck(cell.labels, cell.access, cell.victim, what, auc.value, auc.n_member, auc.n_nonmember, scores)


def _row(
    kind: str, check: str, dataset: str, victim: str, cells: Sequence[Cell], told: Mapping[str, Judged]
) -> NullRow:
    extreme = min(cells, key=lambda cell: told[cell.key].p_value)
    verdicts = {told[cell.key].verdict for cell in cells}
    verdict = next(each for each in (NOT_AT_CHANCE, TOO_FEW, *verdicts) if each in verdicts)
    reaches = [told[cell.key].detectable for cell in cells]
    found = [reach for reach in reaches if reach is not None]
    detectable = 0.5 + max(found) if len(found) == len(reaches) else None
    outside = sum(map(_misses, cells))
    return NullRow(
        kind, check, dataset, victim, len(cells), outside, extreme, told[extreme.key].p_value, verdict, detectable
    )


def _misses(cell: Cell) -> bool:
    """Whether the interval of its AUC misses one half."""
    low, high = cell.auc.low, cell.auc.high
    return low is not None and high is not None and not low <= 0.5 <= high
