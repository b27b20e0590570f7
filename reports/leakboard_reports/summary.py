"""The page's first words: what leaks, what helps, and what to doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakboard.statistics.nulls import chance_p_value
from leakboard_reports.reading import Cell, attacks_of, best, headline, places

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from leakboard_reports.nulls import Nulls
    from leakboard_reports.prices import Change, Price, PriceList


@dataclass(frozen=True)
class Finding:
    """One victim in words.

    Attributes:
        top: the best attack without a defense (with the lightest one, if it never ran without).
        tried: how many attacks it is the best of.
        leaks: whether it beats chance after correcting for that number.
        helpful: the defense that measurably lowers the best adaptive attack the most, if any does.
        harmful: defenses that measurably raise it.
    """

    dataset: str
    victim: str
    top: Cell
    tried: int
    leaks: bool
    defended: int
    helpful: Price | None
    harmful: tuple[Price, ...]


@dataclass(frozen=True)
class Doubts:
    """What the banner warns of."""

    nulls: Nulls
    failed: int
    skipped: int
    uncalibrated: int
    hidden: int
    cells: int

    @property
    def serious(self) -> bool:
        """Whether a reader should stop and look."""
        return bool(self.nulls.alarms or self.failed or not self.nulls.count)


def findings(cells: Iterable[Cell], lists: Sequence[PriceList]) -> list[Finding]:
    """One per attacked victim, the most leaking first."""
    shown = [cell for cell in headline(attacks_of(cells)) if cell.labels == "true"]
    prices = {(each.dataset, each.victim): each.rows for each in lists}
    found = []
    for place in places(shown):
        mine = [cell for cell in shown if cell.place == place]
        bare = [cell for cell in mine if cell.undefended] or mine
        top = best(bare)
        if top is None:
            continue
        rows = prices.get(place, ())
        helpful = [row for row in rows if (adaptive := adaptive_change(row)) and adaptive.lowers]
        found.append(
            Finding(
                *place,
                top,
                len(bare),
                _beats_chance(top, len(bare)),
                len(rows),
                min(helpful, key=lambda row: row.best["adaptive"].cell.auc.value, default=None),
                tuple(row for row in rows if (adaptive := adaptive_change(row)) and adaptive.raises),
            )
        )
    return found


def adaptive_change(price: Price) -> Change | None:
    """The change that counts: the best attack of an attacker who knows the defense."""
    return price.best.get("adaptive")


def doubts(cells: Sequence[Cell], nulls: Nulls, failures: pd.DataFrame) -> Doubts:
    """Counts for the banner."""
    counts = failures.groupby("status")["count"].sum().to_dict() if len(failures) else {}
    flags = [measure.flag for cell in cells if (measure := cell.measures.get("tpr_at_1pct_fpr"))]
    return Doubts(
        nulls,
        int(sum(count for status, count in counts.items() if status != "skipped")),
        int(counts.get("skipped", 0)),
        flags.count("uncalibrated"),
        flags.count("hidden"),
        len(cells),
    )


def _beats_chance(cell: Cell, tried: int) -> bool:
    auc = cell.auc
    if auc.low is None or auc.high is None or auc.value <= 0.5:
        return False
    return chance_p_value(auc.value, auc.low, auc.high) * tried < 0.05
