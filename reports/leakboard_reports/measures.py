"""The measures that a store has numbers of, as columns: their titles and how they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakboard_reports.formats import MINUS, NOT_MEASURED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leakboard.api import Measure
    from leakboard_reports.reading import Cell


@dataclass(frozen=True)
class Column:
    """One measure: what the store calls it, what people call it, and the format spec of its numbers."""

    name: str
    title: str
    format: str = ".3f"

    def write(self, value: float | None) -> str:
        """A number with a true minus sign; what nobody measured is said to be so."""
        if value is None:
            return NOT_MEASURED
        try:
            text = format(value, self.format)
        except ValueError:  # a plugin's mistake, which must not lose the number
            text = f"{value:.6g}"
        return text.replace("-", MINUS)

    def limits(self, low: float | None, high: float | None) -> str:
        """An interval in brackets; empty without one."""
        return "" if low is None or high is None else f"[{self.write(low)}, {self.write(high)}]"


def columns(cells: Iterable[Cell], known: Sequence[Measure] = ()) -> list[Column]:
    """AUC first, then the measures of ``known`` in their order, then those that no plugin here tells of, by name."""
    titles = {measure.name: measure for measure in known}
    found = {name for cell in cells for name in cell.measures} | {"auc"}
    ordered = ["auc", *(name for name in titles if name != "auc"), *sorted(found - titles.keys() - {"auc"})]
    return [
        Column(name, _headed(titles[name].title or name), titles[name].format) if name in titles else Column(name, name)
        for name in ordered
        if name in found
    ]


def _headed(title: str) -> str:
    return title[:1].upper() + title[1:]
