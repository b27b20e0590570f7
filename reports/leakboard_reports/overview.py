"""The leading picture: the best attack of each access level under each defense, with its interval and the price."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard_reports import attackers
from leakboard_reports.reading import (
    ACCESS_NAMES,
    ACCESS_ORDER,
    Cell,
    attacks_of,
    best,
    defense_order,
    headline,
    places,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakboard_reports.prices import Price, PriceList

MARGIN = 6.0
"""Percent of the width of a strip that stays free on both sides, so that no mark is cut."""


@dataclass(frozen=True)
class Line:
    """One defense: the best attack of each access level, and what the defense costs where that is known."""

    defense: str
    tops: tuple[Cell, ...]
    price: Price | None

    @property
    def undefended(self) -> bool:
        """Whether this is the line without a defense."""
        return any(top.undefended for top in self.tops)


@dataclass(frozen=True)
class Stand:
    """What stands behind the marks of one access level: how many attacks, and the observers that they use."""

    access: str
    attacks: int
    observers: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """One victim under every defense; ``told`` names the attackers unless they know members of the victim."""

    dataset: str
    victim: str
    told: str
    attacker: str
    lines: tuple[Line, ...]
    stands: tuple[Stand, ...]

    @property
    def defended(self) -> bool:
        """Whether any defense was tried, so that there are prices to tell."""
        return not all(line.undefended for line in self.lines)

    def bare(self, access: str) -> float | None:
        """The best AUC of an access level without a defense: where a defense starts from."""
        tops = (top for line in self.lines for top in line.tops)
        return next((top.auc.value for top in tops if top.undefended and top.access == access), None)


@dataclass(frozen=True)
class Scale:
    """The common axis of all pictures, from ``low`` to 1: places in percent of the width of a strip."""

    low: float

    @property
    def ticks(self) -> list[float]:
        """Tenths."""
        return [tenth / 10 for tenth in range(round(self.low * 10), 11)]

    def at(self, auc: float) -> str:
        """Where an AUC lies; what is lower than the axis lies at its end."""
        share = (max(auc, self.low) - self.low) / (1 - self.low)
        return f"{MARGIN + (100 - 2 * MARGIN) * share:.2f}%"


def overviews(cells: Iterable[Cell], lists: Sequence[PriceList]) -> list[Overview]:
    """One picture per attacked victim, the most leaking first.

    Of attackers who know equally much those count who know the defense, as an honest measure of it has to assume.
    """
    shown = [cell for cell in headline(attacks_of(cells)) if cell.labels == "true"]
    found = []
    for place in places(shown):
        mine = attackers.by_knowledge(cell for cell in shown if cell.place == place)[0]
        told, who = attackers.told(mine), mine[0].attacker
        pool = [cell for cell in mine if cell.undefended or cell.attacker == who]
        prices = {
            price.defense: price
            for each in lists
            if (each.dataset, each.victim, each.told) == (*place, told)
            for price in each.rows
        }
        defenses = sorted({cell.defense for cell in pool}, key=defense_order)
        lines = tuple(Line(defense, _tops(pool, defense), prices.get(defense)) for defense in defenses)
        found.append(Overview(*place, told, who, lines, _stands(pool)))
    return found


def scale(pictures: Iterable[Overview]) -> Scale:
    """From the lowest limit of any mark, rounded down to a tenth, but from .4 at most: chance is always in sight."""
    tops = [top.auc for picture in pictures for line in picture.lines for top in line.tops]
    lowest = min((auc.value if auc.low is None else auc.low for auc in tops), default=0.5)
    return Scale(max(0.0, min(0.4, math.floor(lowest * 10) / 10)))


def rows(pictures: Iterable[Overview]) -> list[dict[str, Any]]:
    """The pictures as flat rows, for the CSV file."""
    return [
        {
            "dataset": picture.dataset,
            "victim": picture.victim,
            "defense": line.defense,
            "access": top.access,
            "attacker": top.attacker,
            "attack": top.title,
            "auc": top.auc.value,
            "auc_low": top.auc.low,
            "auc_high": top.auc.high,
            "query_psnr_db": line.price and line.price.query_db,
            "output_psnr_db": line.price and line.price.output_db,
            "cell": top.key,
        }
        for picture in pictures
        for line in picture.lines
        for top in line.tops
    ]


def accesses(pictures: Iterable[Overview]) -> list[tuple[str, str]]:
    """The access levels that have marks, each with its name, for the key."""
    found = {top.access for picture in pictures for line in picture.lines for top in line.tops}
    return [(access, ACCESS_NAMES[access]) for access in ACCESS_ORDER if access in found]


def _tops(cells: Sequence[Cell], defense: str) -> tuple[Cell, ...]:
    under = [cell for cell in cells if cell.defense == defense]
    tops = (best(cell for cell in under if cell.access == access) for access in ACCESS_ORDER)
    return tuple(top for top in tops if top)


def _stands(cells: Sequence[Cell]) -> tuple[Stand, ...]:
    stands = []
    for access in ACCESS_ORDER:
        mine = [cell for cell in cells if cell.access == access]
        if mine:
            attacks = {cell.triple for cell in mine}
            stands.append(Stand(ACCESS_NAMES[access], len(attacks), tuple(sorted({cell.observer for cell in mine}))))
    return tuple(stands)
