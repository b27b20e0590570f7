"""The measures that a store has numbers of, as columns: their titles and how they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakboard_reports.formats import MINUS, NOT_MEASURED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakboard.api import Measure
    from leakboard_reports.reading import Cell

EXPECTED = {"uncalibrated": 10, "hidden": 1}
"""Non-members that have to be expected above the threshold for a flag to be gone, see `leakboard.statistics.roc`."""


UNTOLD = {"set_size": "not told"}
"""What stands for a number that was looked for and could not be told, for measures that have such cases."""


@dataclass(frozen=True)
class Column:
    """One measure: what the store calls it, what people call it, how numbers are written, and if it has intervals."""

    name: str
    title: str
    format: str = ".3f"
    limited: bool = True

    def write(self, value: float | None) -> str:
        """A number with a true minus sign; what nobody measured is said to be so."""
        if value is None:
            return UNTOLD.get(self.name, NOT_MEASURED)
        try:
            text = format(value, self.format)
        except ValueError:  # a plugin's mistake, which must not lose the number
            text = f"{value:.6g}"
        return text.replace("-", MINUS)

    @property
    def unit(self) -> str:
        """What a heading says of its numbers."""
        chance = "chance 0.5" if self.name in ("auc", "balanced_accuracy") else ""
        parts = [chance, "%" * self.format.endswith("%"), "[95% interval]" * self.limited]
        return ", ".join(part for part in parts if part)

    def reason(self, flag: str, n_nonmember: int) -> str:
        """Why a flagged number is not to be trusted, or not shown: how many non-members there are, of how many needed.

        Empty without a flag. The false-positive rate is the one in the measure's name; any other measure tells its
        number of non-members alone.
        """
        if not flag:
            return ""
        found = re.fullmatch(r"tpr_at_([\d.]+)pct_fpr", self.name)
        needed = round(EXPECTED[flag] * 100 / float(found[1])) if found and flag in EXPECTED else None
        return f"{n_nonmember:,} of {needed:,} non-members" if needed else f"{n_nonmember:,} non-members are too few"

    def limits(self, low: float | None, high: float | None) -> str:
        """An interval in brackets; empty without one."""
        return "" if low is None or high is None else f"[{self.write(low)}, {self.write(high)}]"


def columns(cells: Iterable[Cell], known: Sequence[Measure] = ()) -> list[Column]:
    """AUC first, then the measures of ``known`` in their order, then those that no plugin here tells of, by name."""
    titles = {measure.name: measure for measure in known}
    pool = list(cells)
    found = {name for cell in pool for name in cell.measures} | {"auc"}
    limited = {name for cell in pool for name, number in cell.measures.items() if number.low is not None} | {"auc"}
    ordered = ["auc", *(name for name in titles if name != "auc"), *sorted(found - titles.keys() - {"auc"})]
    return [
        Column(name, _headed(titles[name].title or name), titles[name].format, name in limited)
        if name in titles
        else Column(name, name, limited=name in limited)
        for name in ordered
        if name in found
    ]


def _headed(title: str) -> str:
    return title[:1].upper() + title[1:]
