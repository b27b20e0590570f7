"""What a defense takes from the attacker, and what it costs an honest user."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from leakboard.statistics.auc import paired_auc_difference
from leakboard.statistics.intervals import Interval, normal_quantile, sum_interval
from leakboard.statistics.multiple import holm
from leakboard_reports import attackers
from leakboard_reports.payloads import ContactSheet, decibels, psnr, shared
from leakboard_reports.reading import Cell, attacks_of, best, defense_order, headline, is_none, places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from leakboard.statistics.permutation import Scores

    ReadScores = Callable[[Cell], Scores | None]


LEVEL = 0.05
"""Probability that any defense of a column is called lowering or raising where none is."""


@dataclass(frozen=True)
class Change:
    """AUC of ``cell`` minus AUC of the reported attack without a defense, with its 95 % interval.

    Attributes:
        p_value: of no difference; None without intervals.
        paired: whether both were compared on the same samples.
        adjusted: the p-value after Holm's correction over the defenses that stand in one column of a table.
    """

    cell: Cell
    value: float
    low: float | None
    high: float | None
    p_value: float | None
    paired: bool = True
    adjusted: float | None = None

    @property
    def lowers(self) -> bool:
        """Whether it lies below zero, at 5 % over all defenses of the column."""
        return self.value < 0 and self.adjusted is not None and self.adjusted < LEVEL

    @property
    def raises(self) -> bool:
        """Whether it lies above zero, at 5 % over all defenses of the column."""
        return self.value > 0 and self.adjusted is not None and self.adjusted < LEVEL


@dataclass(frozen=True)
class Price:
    """One defense: changes by attacker, for the attack chosen under it and for the one chosen without it."""

    defense: str
    best: dict[str, Change]
    same: dict[str, Change]
    query_db: float | None
    output_db: float | None
    images: int


@dataclass(frozen=True)
class PriceList:
    """All defenses of one victim against ``attackers`` of like knowledge; ``base`` is their attack, chosen without any.

    ``told`` is how a heading calls them, see `attackers.told`.
    """

    dataset: str
    victim: str
    base: Cell
    rows: tuple[Price, ...]
    attackers: tuple[str, ...] = attackers.OWN
    told: str = ""


def price_lists(cells: Iterable[Cell], sheets: Sequence[ContactSheet], scores: ReadScores) -> list[PriceList]:
    """One list per victim and knowledge of attackers that attacked it without a defense and with at least one."""
    shown = [cell for cell in headline(attacks_of(cells)) if cell.labels == "true"]
    lists = []
    for place in places(shown):
        for mine in attackers.by_knowledge(cell for cell in shown if cell.place == place):
            base = best(cell for cell in mine if cell.undefended)
            defenses = sorted({cell.defense for cell in mine if not cell.undefended}, key=defense_order)
            if base and defenses:
                images = [sheet for sheet in sheets if sheet.place == place and sheet.seed == base.seed]
                rows = corrected([_price(defense, mine, base, images, scores) for defense in defenses])
                who = attackers.OWN if base.attacker in attackers.OWN else (base.attacker,)
                lists.append(PriceList(*place, base, rows, who, attackers.told(mine)))
    return lists


def change(cell: Cell, base: Cell, scores: ReadScores) -> Change:
    """Paired DeLong where both score files tell of the same samples, else from the two separate intervals."""
    mine, theirs = scores(cell), scores(base)
    if mine and theirs and mine.ids == theirs.ids:
        found = paired_auc_difference(mine.score, theirs.score, mine.member)
        return Change(cell, found.value, found.low, found.high, found.p_value)
    a, b = cell.auc, base.auc
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Change(cell, a.value - b.value, None, None, None, paired=False)
    value = a.value - b.value
    limits = sum_interval(a.value, Interval(a.low, a.high), -b.value, Interval(-b.high, -b.low))
    # the normal p-value of the half of the interval that looks at zero
    half = limits.high - value if value < 0 else value - limits.low
    p_value = math.erfc(abs(value) / half * normal_quantile(0.95) / math.sqrt(2)) if half > 0 else float(value == 0)
    return Change(cell, value, limits.low, limits.high, p_value, paired=False)


def corrected(rows: Sequence[Price]) -> tuple[Price, ...]:
    """Rows whose changes bear p-values that are Holm's over all rows."""
    best, same = _holm([row.best for row in rows]), _holm([row.same for row in rows])
    return tuple(replace(row, best=a, same=b) for row, a, b in zip(rows, best, same, strict=True))


def _holm(changes: Sequence[dict[str, Change]]) -> list[dict[str, Change]]:
    """Changes of each row by attacker, corrected for each attacker by itself."""
    found = [dict(each) for each in changes]
    for attacker in {attacker for each in changes for attacker in each}:
        tested = [each for each in found if attacker in each and each[attacker].p_value is not None]
        p_values = [each[attacker].p_value or 0.0 for each in tested]
        for each, adjusted in zip(tested, holm(p_values), strict=True):
            each[attacker] = replace(each[attacker], adjusted=adjusted)
    return found


def _price(
    defense: str, cells: Sequence[Cell], base: Cell, sheets: Sequence[ContactSheet], scores: ReadScores
) -> Price:
    tops: dict[str, Change] = {}
    same: dict[str, Change] = {}
    for attacker in dict.fromkeys(cell.attacker for cell in cells):
        pool = [cell for cell in cells if cell.defense == defense and cell.attacker == attacker]
        top = best(pool)
        if top:
            tops[attacker] = change(top, base, scores)
        again = best(cell for cell in pool if cell.triple == base.triple)
        if again:
            same[attacker] = change(again, base, scores)
    before = next((sheet for sheet in sheets if is_none(sheet.defense)), None)
    after = next((sheet for sheet in sheets if sheet.defense == defense), None)
    if after is None:
        return Price(defense, tops, same, None, None, 0)
    return Price(defense, tops, same, decibels(after.squared_error), _output_psnr(before, after), len(after.ids))


def _output_psnr(before: ContactSheet | None, after: ContactSheet) -> float | None:
    """How near the outputs are that answer one question without and with a defense; None where the questions differ."""
    if before is None or before.returned is None or after.returned is None or before.question != after.question:
        return None
    old, new = shared(before, after)
    return psnr(before.returned[old], after.returned[new]) if old else None
