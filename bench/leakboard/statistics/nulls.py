"""Null checks: cells in which nothing can be learned, and which of them chance does not explain."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

from leakboard.statistics.intervals import logit, normal_quantile

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

NullKind = Literal["blind check", "untrained victim", "permuted labels"]

CHECKED_AXES = ("dataset", "defense", "observer", "distance", "classifier", "attacker", "seed")
"""What tells one null check beside a victim from another of its kind."""

FAMILY_ERROR = 0.01
"""Chance that a sound harness warns at all, over all distinct null checks of one kind in a grid (Bonferroni)."""


def chance_p_value(auc: float, low: float, high: float, level: float = 0.95) -> float:
    """Two-sided p-value of "this AUC is one half", recovered from the limits that `leakboard.statistics.auc` gave it.

    It lets a reader correct for the number of checks without having the scores.
    """
    from scipy.special import ndtr

    if auc in (0, 1):
        # The open limit is (error / 2) ** (1 / pairs): it tells the pairs, each won by chance with one half.
        open_limit = low if auc == 1 else 1 - high
        pairs = math.log((1 - level) / 2) / math.log(open_limit) if 0 < open_limit < 1 else 0.0
        return min(1.0, 2.0 * math.pow(0.5, pairs))
    centre = logit(auc)
    half = centre - logit(low) if auc > 0.5 else logit(high) - centre
    return float(2 * ndtr(-abs(centre) * normal_quantile(level) / half))


def null_kind(labels: str, access: str) -> NullKind:
    """What makes a cell with these labels, whose observer has this access, a null check."""
    if labels == "permuted":
        return "permuted labels"
    return "blind check" if access == "none" else "untrained victim"


class NullCheck(NamedTuple):
    """One cell in which nothing can be learned.

    Attributes:
        labels: ``true`` or ``permuted``.
        access: of its observer; ``none`` asks the victim nothing.
        victim: beside which it stands.
        what: all else that tells it from others.
        p_value: of its AUC being one half.
    """

    labels: str
    access: str
    victim: str
    what: Hashable
    p_value: float

    @property
    def family(self) -> NullKind:
        """Permuted labels, blind checks and untrained victims: each fails for a reason of its own."""
        return null_kind(self.labels, self.access)

    @property
    def identity(self) -> Hashable:
        """What it checks: whoever asks no victim says the same beside each."""
        return self.family, self.what, "" if self.access == "none" else self.victim


def beyond_chance(checks: Sequence[NullCheck]) -> list[bool]:
    """Which null checks chance does not explain, at `FAMILY_ERROR` within each family (Bonferroni).

    Equal checks count once: a grid that repeats one, or adds others of another kind, must not hide what it found.
    """
    sizes = Counter(check.family for check in {check.identity: check for check in checks}.values())
    return [check.p_value * sizes[check.family] < FAMILY_ERROR for check in checks]
