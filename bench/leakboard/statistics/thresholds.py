"""The threshold that is chosen on calibration samples, and how well it does on others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import Estimate
from leakboard.statistics.intervals import sum_interval, wilson
from leakboard.statistics.ranking import rank

if TYPE_CHECKING:
    import numpy.typing as npt


def choose_threshold(scores: npt.ArrayLike, member: npt.ArrayLike) -> float:
    """The threshold t for which "score > t means member" has the best balanced accuracy on these samples.

    Candidates are the midpoints between neighbouring distinct scores, and the largest score (nobody is called a
    member) for scores that do worse than chance everywhere. The lowest of several equally good ones is taken.

    Raises:
        LeakboardError: as `leakboard.statistics.ranking.rank`.
    """
    ranked = rank(scores, member)
    levels = np.unique(np.concatenate([ranked.members, ranked.nonmembers]))
    middle = levels[:-1] + (levels[1:] - levels[:-1]) / 2
    # Between two neighbouring floats the midpoint rounds to one of them; it must stay below the upper one.
    middle = np.where(middle < levels[1:], middle, levels[:-1])
    candidates = np.append(middle, levels[-1])
    tpr = 1 - np.searchsorted(ranked.members, candidates, side="right") / len(ranked.members)
    tnr = np.searchsorted(ranked.nonmembers, candidates, side="right") / len(ranked.nonmembers)
    return float(candidates[int(np.argmax(tpr + tnr))])


def balanced_accuracy(
    scores: npt.ArrayLike, member: npt.ArrayLike, threshold: float | None, level: float = 0.95
) -> Estimate | None:
    """Mean of TPR and TNR at a fixed threshold; Wilson limits of both joined by `intervals.sum_interval`.

    Without a threshold there is none.

    Raises:
        LeakboardError: as `leakboard.statistics.ranking.rank`.
    """
    if threshold is None:
        return None
    ranked = rank(scores, member)
    m, n = len(ranked.members), len(ranked.nonmembers)
    hits = m - int(np.searchsorted(ranked.members, threshold, side="right"))
    rejections = int(np.searchsorted(ranked.nonmembers, threshold, side="right"))
    total = sum_interval(hits / m, wilson(hits, m, level), rejections / n, wilson(rejections, n, level))
    value = (hits / m + rejections / n) / 2
    method = "Wilson, joined by Newcombe's method"
    return Estimate(value, total.low / 2, total.high / 2, method)
