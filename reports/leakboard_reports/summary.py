"""The page's first words: what leaks, what helps, and what to doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakboard.statistics.nulls import chance_p_value
from leakboard_reports import attackers
from leakboard_reports.reading import Cell, attacks_of, best, headline, places

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from leakboard_reports.nulls import Nulls
    from leakboard_reports.prices import Change, Price, PriceList
    from leakboard_reports.privacy import Broken


@dataclass(frozen=True)
class Top:
    """The attack to report of attackers who know equally much.

    Attributes:
        cell: the one that calibration samples chose, without a defense (with the lightest one, if none ran without).
        tried: how many attacks it was chosen from.
        leaks: whether it beats chance: by itself where calibration samples chose it, and else, as the highest of
            ``tried``, after correcting for that number.
        told: how a heading calls the attackers, see `attackers.told`.
    """

    cell: Cell
    tried: int
    leaks: bool
    told: str


@dataclass(frozen=True)
class Finding:
    """One victim in words.

    Attributes:
        top: the best attack of those who know most.
        others: the best attacks of those who know less; they are no competitors of the first.
        helpful: the defense that measurably lowers the best adaptive attack the most, if any does.
        harmful: defenses that measurably raise it.
    """

    dataset: str
    victim: str
    top: Top
    others: tuple[Top, ...]
    defended: int
    helpful: Price | None
    harmful: tuple[Price, ...]

    @property
    def leaks(self) -> bool:
        """Whether attackers of any knowledge beat chance."""
        return any(top.leaks for top in (self.top, *self.others))


@dataclass(frozen=True)
class Doubts:
    """What the banner warns of; ``unmeasured`` cells are done and have no AUC.

    ``broken`` are attacks that show more than the stated epsilon of their victim allows.
    """

    nulls: Nulls
    failed: int
    skipped: int
    uncalibrated: int
    hidden: int
    cells: int
    unmeasured: int = 0
    broken: Sequence[Broken] = ()

    @property
    def alarming(self) -> bool:
        """Whether a null check or a broken promise says what no verdict can stand beside: to be known before any."""
        return bool(self.nulls.alarms or self.nulls.shared or self.broken)

    @property
    def lacking(self) -> bool:
        """Whether something is missing that a reader would count on."""
        return bool(self.failed or self.unmeasured or not self.nulls.count)

    @property
    def serious(self) -> bool:
        """Whether a reader should stop and look."""
        return self.alarming or self.lacking

    @property
    def noted(self) -> bool:
        """Whether there is anything to note beside the verdicts."""
        return self.cells > 0 and bool(
            self.lacking or self.skipped or self.uncalibrated or self.hidden or self.nulls.too_few
        )


def findings(cells: Iterable[Cell], lists: Sequence[PriceList]) -> list[Finding]:
    """One per attacked victim, the most leaking first."""
    shown = [cell for cell in headline(attacks_of(cells)) if cell.labels == "true"]
    prices = {(each.dataset, each.victim): each.rows for each in lists if not each.told}
    found = []
    for place in places(shown):
        groups = attackers.by_knowledge(cell for cell in shown if cell.place == place)
        top, *others = map(_top, groups)
        rows = prices.get(place, ())
        helpful = [row for row in rows if (adaptive := adaptive_change(row)) and adaptive.lowers]
        found.append(
            Finding(
                *place,
                top,
                tuple(others),
                len(rows),
                min(helpful, key=lambda row: row.best["adaptive"].cell.auc.value, default=None),
                tuple(row for row in rows if (adaptive := adaptive_change(row)) and adaptive.raises),
            )
        )
    return found


def _top(cells: Sequence[Cell]) -> Top:
    """Of some cells, at least one."""
    bare = [cell for cell in cells if cell.undefended] or list(cells)
    top = best(bare)
    assert top is not None
    guesses = len(bare) if top.calibration_auc is None else 1
    return Top(top, len(bare), _beats_chance(top, guesses), attackers.told(bare))


def adaptive_change(price: Price) -> Change | None:
    """The change that counts: the best attack of an attacker who knows the defense."""
    return price.best.get("adaptive")


def doubts(
    cells: Sequence[Cell],
    nulls: Nulls,
    failures: pd.DataFrame,
    done: int | None = None,
    broken: Sequence[Broken] = (),
) -> Doubts:
    """Counts for the banner; of ``done`` cells those that are shown have an AUC."""
    counts = failures.groupby("status")["count"].sum().to_dict() if len(failures) else {}
    flags = [measure.flag for cell in cells if (measure := cell.measures.get("tpr_at_1pct_fpr"))]
    return Doubts(
        nulls,
        int(sum(count for status, count in counts.items() if status != "skipped")),
        int(counts.get("skipped", 0)),
        flags.count("uncalibrated"),
        flags.count("hidden"),
        len(cells),
        0 if done is None else done - len(cells),
        broken,
    )


def _beats_chance(cell: Cell, guesses: int) -> bool:
    auc = cell.auc
    return auc.value > 0.5 and chance_p_value(auc.value, auc.n_member, auc.n_nonmember) * guesses < 0.05
