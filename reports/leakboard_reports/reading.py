"""Cells as the pages see them: one value a cell, read once from the frames of a store."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard.api import AXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

ACCESS_ORDER = ("black", "gray", "white", "none")
ACCESS_NAMES = {"black": "black box", "gray": "gray box", "white": "white box", "none": "blind"}
ACCESS_MEANINGS = {
    "black": "gets images alone",
    "gray": "also gets intermediate images, latents and noise predictions",
    "white": "also gets gradients and weights",
    "none": "asks the victim nothing",
}
"""What each access level gives, as headings tell it."""
EXACT, NOTHING, UNKNOWN = "exact", "nothing", "unknown"
"""Images that needed no fitting to the victim, no question past the defense, and what an older store does not tell."""


@dataclass(frozen=True)
class Estimate:
    """A number with its interval over samples; limits are None where the store has none."""

    value: float
    low: float | None
    high: float | None
    flag: str
    n_member: int
    n_nonmember: int


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The last finished attempt of one cell, with the labels of its axes.

    Attributes:
        fit: how images were fitted to the victim: ``exact``, the rule in words, or ``unknown``.
        note: what a reader must know of the numbers (refused questions, say).
        bypass: which questions went past the defense (``query: predict_noise; output: decode``), ``nothing``, or
            ``unknown``.
        calibration_auc: what the attack to report is chosen by; None where nothing is known.
        chosen: what calibration samples chose of an attack with ``tune``; empty where nothing was to be chosen.
    """

    key: str
    dataset: str
    victim: str
    defense: str
    observer: str
    distance: str
    classifier: str
    attacker: str
    labels: str
    seed: int
    members: int
    nonmembers: int
    attack: str
    role: str
    access: str
    measures: Mapping[str, Estimate]
    queries: float | None
    nfe: float | None
    seconds: float | None
    peak_mb: float | None
    fit: str
    scores_key: str | None
    note: str = ""
    bypass: str = UNKNOWN
    calibration_auc: float | None = None
    chosen: str = ""

    @property
    def auc(self) -> Estimate:
        """The measure every cell has."""
        return self.measures["auc"]

    @property
    def triple(self) -> str:
        """Observer, distance and classifier."""
        return f"{self.observer} · {self.distance} · {self.classifier}"

    @property
    def title(self) -> str:
        """The published attack's name, or the triple."""
        return self.attack or self.triple

    @property
    def place(self) -> tuple[str, str]:
        """Dataset and victim: what is attacked."""
        return self.dataset, self.victim

    @property
    def sides(self) -> tuple[int, int]:
        """Members and non-members in use, half of them to calibrate on; 0 for all there are."""
        return self.members, self.nonmembers

    @property
    def undefended(self) -> bool:
        """Whether the provider does nothing."""
        return is_none(self.defense)


def read_cells(results: pd.DataFrame, cells: pd.DataFrame) -> list[Cell]:
    """Cells that have an AUC, from `Store.results` and `Store.cells`, ordered by label and seed."""
    scores = dict(zip(cells["cell"], cells["scores_key"], strict=True)) if len(cells) else {}
    measures: dict[str, dict[str, Estimate]] = {}
    rows: dict[str, dict[str, Any]] = {}
    for row in results.to_dict("records"):
        value = _number(row["value"])
        if value is None:
            continue
        measures.setdefault(row["cell"], {})[row["measure"]] = Estimate(
            value,
            _number(row["low"]),
            _number(row["high"]),
            str(row["flag"] or ""),
            int(row["n_member"]),
            int(row["n_nonmember"]),
        )
        rows[row["cell"]] = {str(column): entry for column, entry in row.items()}
    found = [
        Cell(key=key, measures=measures[key], scores_key=_text(scores.get(key)), **_facts(row))
        for key, row in rows.items()
        if "auc" in measures[key]
    ]
    return sorted(found, key=lambda c: (c.dataset, c.victim, *defense_order(c.defense), c.title, c.attacker, c.seed))


def is_none(defense: str) -> bool:
    """Whether a defense label means no defense at all."""
    return defense.split("(", maxsplit=1)[0].strip() == "none"


def defense_order(defense: str) -> tuple[bool, bool, str]:
    """No defense first, then single ones, then chains."""
    return not is_none(defense), "+" in defense, defense


def attacks_of(cells: Iterable[Cell]) -> list[Cell]:
    """Cells that attack, as against null checks."""
    return [cell for cell in cells if cell.role == "attack"]


def headline(cells: Iterable[Cell]) -> list[Cell]:
    """The cells that single-number views show: per dataset and victim the most samples, then the lowest seed."""
    pool = list(cells)
    chosen: dict[tuple[str, str], tuple[float, int]] = {}
    for cell in pool:
        chosen[cell.place] = min(_preference(cell), chosen.get(cell.place, _preference(cell)))
    return [cell for cell in pool if _preference(cell) == chosen[cell.place]]


def _preference(cell: Cell) -> tuple[float, int]:
    """The lower, the sooner shown; 0 samples of a side stand for all there are."""
    return -sum(side or math.inf for side in cell.sides), cell.seed


def by_choice(cell: Cell) -> tuple[bool, float, float, str]:
    """Sorts the attack to report first: that of the highest AUC on calibration samples, of equals the cheapest.

    Cells of older stores, which know no such number, come last, those of the highest AUC first.
    """
    chosen = cell.calibration_auc
    return chosen is None, -(cell.auc.value if chosen is None else chosen), cell.nfe or 0.0, cell.title


def best(cells: Iterable[Cell]) -> Cell | None:
    """The attack to report of some cells, if there is any: the one place where it is picked, for all views."""
    return min(cells, key=by_choice, default=None)


def places(cells: Iterable[Cell]) -> list[tuple[str, str]]:
    """Datasets and victims, the most leaking without a defense first."""
    peak: dict[tuple[str, str], float] = {}
    for cell in cells:
        peak[cell.place] = max(peak.get(cell.place, 0.0), cell.auc.value if cell.undefended else 0.0)
    return sorted(peak, key=lambda place: (-peak[place], place))


def _facts(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: str(row[name] or "") for name in (*AXES, "attacker", "labels", "role", "access", "attack")},
        **{name: int(row[name]) for name in ("seed", "members", "nonmembers")},
        **{name: _number(row[name]) for name in ("queries", "nfe", "seconds", "peak_mb")},
        "fit": str(row["fit"] or UNKNOWN),
        "note": _text(row.get("note")) or "",
        "calibration_auc": _number(row.get("calibration_auc")),
        "chosen": _text(row.get("chosen")) or "",
        "bypass": NOTHING if is_none(row["defense"]) else _text(row.get("bypass")) or UNKNOWN,
    }


def _number(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
