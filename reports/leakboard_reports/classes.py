"""Whether some classes of images leak more than others, where the store knows what class an image is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leakboard.statistics.auc import auc

if TYPE_CHECKING:
    from leakboard.api import Estimate
    from leakboard.store import Store
    from leakboard_reports.panels import Panel

FEWEST = 10
"""Members, and non-members, of a class that has a row of its own."""


@dataclass(frozen=True)
class ByClass:
    """AUC by class: name, members, non-members, and the AUC with its interval. ``small`` classes have no row."""

    title: str
    rows: tuple[tuple[str, int, int, Estimate], ...]
    small: int


def by_class(store: Store, panel: Panel, *, public: bool) -> ByClass | None:
    """The AUC of the first attack of a panel within each class; None where the store does not tell the classes.

    Classes of datasets that are not public have numbers in the place of names.
    """
    labels = store.classes(panel.dataset)
    if not labels.keys() >= set(panel.ids):
        return None
    names = np.array([labels[sample] for sample in panel.ids])
    rows, small = [], 0
    for number, name in enumerate(sorted(set(labels.values())), 1):
        here = names == name
        members = int((panel.member & here).sum())
        others = int(here.sum()) - members
        if min(members, others) < FEWEST:
            small += 1
        else:
            rows.append(
                (name if public else f"class {number}", members, others, auc(panel.scores[0][here], panel.member[here]))
            )
    return ByClass(panel.cells[0].title, tuple(rows), small)
