"""What victims promise that were trained with differential privacy, and which attacks show that it was not kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.statistics.ceiling import Above, above, ceiling
from leakboard.statistics.epsilon import guesses_of, lower_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd

    from leakboard.statistics.permutation import Scores
    from leakboard_reports.reading import Cell

ERROR = 0.05
"""Chance that any cell of a report is said to break a promise that was kept."""


@dataclass(frozen=True)
class Promise:
    """The epsilon and delta that the manifest of a victim states, of one sample more or less."""

    epsilon: float
    delta: float

    def __str__(self) -> str:
        return f"epsilon {self.epsilon:.3g}, delta {self.delta:.2g}"

    def allows(self, fpr: float) -> float:
        """The highest true-positive rate at a false-positive rate."""
        return float(ceiling(fpr, self.epsilon, self.delta))

    def shown(self, scores: Scores) -> float:
        """The lower bound on epsilon at this delta that one run gives."""
        return lower_bound(guesses_of(scores.score, scores.member), delta=self.delta)

    def curve(self, low: float, points: int = 120) -> list[tuple[float, float]]:
        """FPR and the highest TPR, from ``low`` to 1 and evenly spaced on a log scale."""
        rates = np.geomspace(low, 1, points)
        allowed = ceiling(rates, self.epsilon, self.delta)
        return [(round(float(f), 6), round(float(t), 6)) for f, t in zip(rates, allowed, strict=True)]


@dataclass(frozen=True)
class Broken:
    """A cell whose ROC lies above what its victim promises."""

    cell: Cell
    promise: Promise
    found: Above

    @property
    def text(self) -> str:
        """As a note beside the cell has it."""
        return (
            f"above what the stated {self.promise} allows: {self.found.tpr:.1%} of members at {self.found.fpr:.1%} "
            f"false positives (at least {self.found.tpr_low:.1%} at no more than {self.found.fpr_high:.1%}, where "
            f"{self.found.allowed:.1%} are allowed)"
        )


def promises(components: pd.DataFrame) -> dict[str, Promise]:
    """Of the victims, by label, whose manifests state an epsilon and a delta."""
    rows = components.to_dict("records")
    found = {str(row["label"]): _promise(row["info"]) for row in rows if row["kind"] == "victim"}
    return {label: promise for label, promise in found.items() if promise}


def broken(
    cells: Iterable[Cell], promised: Mapping[str, Promise], scores: Callable[[Cell], Scores | None]
) -> list[Broken]:
    """The attacks that show a promise not to be kept, the clearest first; the error is shared among all attacks."""
    tried = [cell for cell in cells if cell.role == "attack" and cell.labels == "true" and cell.victim in promised]
    read = [(cell, found) for cell in tried if (found := scores(cell))]
    level = 1 - ERROR / max(1, len(read))
    held = [
        Broken(cell, promise, over)
        for cell, mine in read
        for promise in [promised[cell.victim]]
        if (over := above(mine.score, mine.member, promise.epsilon, promise.delta, level))
    ]
    return sorted(held, key=lambda each: each.found.allowed - each.found.tpr_low)


def marked(cells: Sequence[Cell], found: Sequence[Broken]) -> list[Cell]:
    """The cells, those that break a promise with a note that says so."""
    told = {each.cell.key: each.text for each in found}
    return [
        replace(cell, note="; ".join(filter(None, (cell.note, told[cell.key])))) if cell.key in told else cell
        for cell in cells
    ]


def _promise(info: Any) -> Promise | None:
    """Manifests of others may have any shape."""
    manifest = info.get("manifest") if isinstance(info, dict) else None
    stated = manifest.get("privacy") if isinstance(manifest, dict) else None
    epsilon, delta = (stated.get("epsilon"), stated.get("delta")) if isinstance(stated, dict) else (None, None)
    if not (isinstance(epsilon, int | float) and isinstance(delta, int | float)):
        return None
    if not math.isfinite(epsilon):
        return None
    return Promise(float(epsilon), float(delta)) if epsilon >= 0 and 0 <= delta < 1 else None
