"""Whether rare images leak more than common ones, where the store knows how far each is from its nearest others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakboard.statistics.auc import auc
from leakboard.statistics.correlation import rank_correlation
from leakboard.statistics.exposure import exposure
from leakboard_reports.classes import FEWEST

if TYPE_CHECKING:
    from leakboard.api import Array, Estimate, Mask
    from leakboard.store import Store
    from leakboard_reports.panels import Panel

THIRDS = ("common", "middle", "rare")


@dataclass(frozen=True)
class Third:
    """Samples that are about as rare: the distances from which to which, how many of either side, and their AUC."""

    name: str
    low: float
    high: float
    members: int
    others: int
    auc: Estimate | None


@dataclass(frozen=True)
class ByRarity:
    """AUC by rarity, and whether rarity and score go together.

    Attributes:
        title: the attack.
        rows: the thirds, common ones first.
        unknown: samples of which it is not known how rare they are.
        members: rank correlation of rarity and exposure; None where it cannot be told.
        others: that of rarity and score among non-members: an image may score by what it shows, member or not.
        counts: members, and non-members, that the correlations are of.
    """

    title: str
    rows: tuple[Third, ...]
    unknown: int
    members: Estimate | None
    others: Estimate | None
    counts: tuple[int, int]

    @property
    def verdict(self) -> str:
        """What the interval of the members' correlation says."""
        if self.members and self.members.low is not None and self.members.low > 0:
            return "Rare members are more exposed than common ones"
        if self.members and self.members.high is not None and self.members.high < 0:
            return "Rare members are less exposed than common ones"
        return "Rare and common members are not told apart by their exposure"


def by_rarity(store: Store, panel: Panel) -> ByRarity | None:
    """The first attack of a panel within thirds of its samples; None where the store does not tell how rare they are.

    Members and non-members are divided together, by the distance alone.
    """
    known = store.rarity(panel.dataset)
    distances = np.array([known.get(sample, np.nan) for sample in panel.ids])
    told = np.isfinite(distances)
    if not (told & panel.member).any() or not (told & ~panel.member).any():
        return None
    distances, scores, member = distances[told], panel.scores[0][told], panel.member[told]
    third = np.searchsorted(np.quantile(distances, [1 / 3, 2 / 3]), distances)
    rows = (_third(name, distances, scores, member, third == number) for number, name in enumerate(THIRDS))
    return ByRarity(
        panel.cells[0].title,
        tuple(row for row in rows if row),
        int((~told).sum()),
        rank_correlation(exposure(scores, member), distances[member]),
        rank_correlation(scores[~member], distances[~member]),
        (int(member.sum()), int((~member).sum())),
    )


def _third(name: str, distances: Array, scores: Array, member: Mask, here: Mask) -> Third | None:
    if not here.any():
        return None
    members = int(member[here].sum())
    others = int(here.sum()) - members
    found = auc(scores[here], member[here]) if min(members, others) >= FEWEST else None
    return Third(name, float(distances[here].min()), float(distances[here].max()), members, others, found)
