"""The measures that come with the harness, and the spread of one over seeds."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from leakboard.api import Measure
from leakboard.errors import LeakboardError
from leakboard.statistics.auc import auc
from leakboard.statistics.epsilon import epsilon
from leakboard.statistics.roc import tpr_at_fpr
from leakboard.statistics.sets import set_p_value, set_size
from leakboard.statistics.thresholds import balanced_accuracy

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from leakboard.api import Estimate

RATES = {"tpr_at_1pct_fpr": 0.01, "tpr_at_0.1pct_fpr": 0.001}
"""Measures that read a TPR off at a false-positive rate, and the rates."""

MOST_SAMPLES = (2.0, 1e12)
MOST_EPSILON = (0.0, 50.0)
"""Far above what samples can show: each has to be a number."""

BUILT_IN = (
    Measure("auc", auc, "AUC"),
    *(
        Measure(name, functools.partial(tpr_at_fpr, rate=rate), f"TPR at {rate * 100:g}% FPR", ".1%")
        for name, rate in RATES.items()
    ),
    Measure("balanced_accuracy", balanced_accuracy, "balanced accuracy"),
    Measure("set_p_value", set_p_value, "p-value of all members as a set", ".2g"),
    Measure("set_size", set_size, "samples of a set for p < .01", ",.0f", MOST_SAMPLES),
    Measure("epsilon", epsilon, "lower bound of epsilon", ".2f", MOST_EPSILON),
)


class Spread(NamedTuple):
    """Spread over seeds, which is not an interval over samples. ``sd`` is NaN for a single seed."""

    mean: float
    sd: float
    n: int


def evaluate(scores: npt.ArrayLike, member: npt.ArrayLike, *, threshold: float | None) -> dict[str, Estimate]:
    """All built-in measures of some scores, by name.

    Args:
        scores: (N,) finite, higher = more likely a member.
        member: bool (N,).
        threshold: from `leakboard.statistics.thresholds.choose_threshold` on calibration samples; without one there is
            no balanced accuracy.

    Raises:
        LeakboardError: when one side is empty, shapes differ, or a score is not finite.
    """
    values, flags = np.asarray(scores, dtype=np.float64), np.asarray(member)
    found = {measure.name: measure.function(values, flags, threshold) for measure in BUILT_IN}
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def seed_spread(values: Iterable[float]) -> Spread:
    """Mean, standard deviation (n - 1) and number of one measure over seeds.

    Raises:
        LeakboardError: without any value.
    """
    numbers = np.asarray(list(values), dtype=np.float64)
    if not len(numbers):
        raise LeakboardError("a spread over seeds needs at least one value")
    return Spread(float(numbers.mean()), float(numbers.std(ddof=1)) if len(numbers) > 1 else math.nan, len(numbers))
