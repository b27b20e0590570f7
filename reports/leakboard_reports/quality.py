"""How good each victim is, beside what the best attack finds in it: a model that is destroyed leaks nothing either."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from leakboard.errors import LeakboardError
from leakboard.store.artifacts import Artifacts
from leakboard_reports.formats import ABSENT, MINUS
from leakboard_reports.reading import attacks_of, best, headline

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from leakboard.store import Store
    from leakboard_reports.reading import Cell


@dataclass(frozen=True)
class Number:
    """A number with its standard error, and of how many images it was made; ``value`` is None where nobody could tell.

    Attributes:
        images: how many.
    """

    value: float | None = None
    error: float | None = None
    images: int = 0

    @property
    def text(self) -> str:
        """As people read it."""
        if self.value is None:
            return ABSENT
        return f"{self.value:#.4g} ± {self.error:.1g}".replace("-", MINUS)


@dataclass(frozen=True)
class Row:
    """One victim on one dataset.

    Attributes:
        top: the attack to report without a defense; None where no attack has a result.
        members: loss on members.
        held_out: loss on held-out images.
        distance: kernel distance of generated images to held-out ones.
        references: of these, how many there were.
        rule: how all this was measured.
    """

    dataset: str
    victim: str
    top: Cell | None
    members: Number
    held_out: Number
    distance: Number
    references: int
    rule: str


def table(store: Store, components: pd.DataFrame, cells: Iterable[Cell]) -> list[Row]:
    """The victims whose quality was measured, the best held-out loss first of each dataset; lost files are left out.

    Several measurements of one victim, with other numbers of images, give way to the one of most images.
    """
    labels = {(str(row.kind), str(row.identity)): str(row.label) for row in components.itertuples()}
    shown = [cell for cell in headline(attacks_of(cells)) if cell.labels == "true" and cell.undefended]
    artifacts = Artifacts(store.artifacts)
    found: dict[tuple[str, str], tuple[int, Row]] = {}
    for key in store.artifact_digests("quality"):
        try:
            tensors, meta = artifacts.get(key)
        except LeakboardError:
            continue
        place = tuple(labels.get((kind, meta[f"{kind}_identity"]), "") for kind in ("dataset", "victim"))
        count, dataset, victim = int(meta["generated"]), place[0], place[1]
        if not all(place) or count < found.get((dataset, victim), (0,))[0]:
            continue
        value, error = tensors.get("kernel_distance", np.full(2, math.nan)).tolist()
        row = Row(
            dataset,
            victim,
            best(cell for cell in shown if cell.place == (dataset, victim)),
            _mean(tensors.get("members")),
            _mean(tensors.get("held_out")),
            Number() if math.isnan(value) else Number(value, error, count),
            int(meta["references"]),
            meta["rule"],
        )
        found[dataset, victim] = count, row
    return sorted((row for _, row in found.values()), key=lambda row: (row.dataset, row.held_out.value or math.inf))


def rows(found: Iterable[Row]) -> list[dict[str, Any]]:
    """The same as flat rows, for the CSV file."""
    return [
        {
            "dataset": row.dataset,
            "victim": row.victim,
            "attack": row.top and row.top.title,
            "auc": row.top and row.top.auc.value,
            "auc_low": row.top and row.top.auc.low,
            "auc_high": row.top and row.top.auc.high,
            **_flat("loss_members", row.members),
            **_flat("loss_held_out", row.held_out),
            **_flat("kernel_distance", row.distance),
            "references": row.references,
        }
        for row in found
    ]


def _flat(name: str, number: Number) -> dict[str, Any]:
    return {name: number.value, f"{name}_error": number.error, f"{name}_images": number.images}


def _mean(losses: np.ndarray | None) -> Number:
    """The mean of losses (N,) and its standard error."""
    if losses is None or len(losses) == 0:
        return Number()
    return Number(float(losses.mean()), float(losses.std()) / math.sqrt(len(losses)), len(losses))
