"""Attacks that may be compared with each other: on one victim, without a defense, by attackers of one knowledge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakboard_reports import attackers
from leakboard_reports.payloads import ScoreReader
from leakboard_reports.reading import (
    ACCESS_NAMES,
    ACCESS_ORDER,
    Cell,
    attacks_of,
    by_choice,
    headline,
    places,
    read_cells,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from leakboard.api import Array, Mask
    from leakboard.statistics.permutation import Scores
    from leakboard.store import Store


@dataclass(frozen=True)
class Panel:
    """Attacks on one victim whose scores are of the same samples, the one that calibration samples chose first.

    Attributes:
        told: how a heading calls the attackers; empty for those who know members of the victim.
        access: the level of all of them.
        scores: one row (N,) an attack.
        member: who is a member (N,).
        ids: of the samples (N,).
        lost: how many attacks are left out, because their scores cannot be read or are of other samples.
    """

    dataset: str
    victim: str
    told: str
    access: str
    cells: tuple[Cell, ...]
    scores: tuple[Array, ...]
    member: Mask
    ids: tuple[str, ...]
    lost: int

    @property
    def title(self) -> str:
        """Victim, dataset, access level and attackers, as a heading has them."""
        parts = f"{self.victim} on {self.dataset}", ACCESS_NAMES[self.access], self.told
        return ", ".join(part for part in parts if part)

    @property
    def chosen(self) -> bool:
        """Whether calibration samples chose the first."""
        return self.cells[0].calibration_auc is not None


def comparable(store: Store) -> tuple[list[Cell], ScoreReader]:
    """Attacks without a defense and with true labels, and what reads their scores."""
    cells = attacks_of(read_cells(store.results(), store.cells()))
    return [cell for cell in cells if cell.undefended and cell.labels == "true"], ScoreReader(store)


def panels(cells: Iterable[Cell], scores: Callable[[Cell], Scores | None]) -> list[Panel]:
    """One a victim, knowledge of attackers and access level, of the most samples and the lowest seed."""
    shown = headline(cells)
    groups = [
        (attackers.told(known), access, [cell for cell in known if cell.access == access])
        for place in places(shown)
        for known in attackers.by_knowledge(cell for cell in shown if cell.place == place)
        for access in ACCESS_ORDER
    ]
    return [panel for told, access, group in groups if (panel := panel_of(group, scores, told, access))]


def panel_of(cells: Sequence[Cell], scores: Callable[[Cell], Scores | None], told: str, access: str) -> Panel | None:
    """The attacks of one victim that have scores of the same samples; None where there are none."""
    ordered = sorted(cells, key=by_choice)
    read = [(cell, found) for cell in ordered if (found := scores(cell))]
    if not read:
        return None
    ids, member = read[0][1].ids, read[0][1].member
    same = [(cell, found.score) for cell, found in read if found.ids == ids and np.array_equal(found.member, member)]
    kept, rows = zip(*same, strict=True)
    first = kept[0]
    return Panel(first.dataset, first.victim, told, access, kept, rows, member, ids, len(cells) - len(kept))
