"""A lower bound on the epsilon of differential privacy, from the scores of one training run.

Steinke, Nasr and Jagielski 2023 (arXiv 2305.08846): an auditor guesses of some samples whether they were trained on,
and keeps silent about the others. Differential privacy bounds how often the guesses can be right.

The theorem is about samples each of which was trained on or not by a fair coin of its own. Members here are a random
half of fixed size, which is nearly the same and not the same: the bound is that of the theorem, not a proof.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.api import Estimate
from leakboard.statistics.ranking import checked

if TYPE_CHECKING:
    from leakboard.api import Array, Mask

    Counts = npt.NDArray[np.int64]

_Z2 = 1.645**2


class Guesses(NamedTuple):
    """How many were right, of how many made, about how many samples."""

    right: int
    made: int
    samples: int


def guessed(members: int, nonmembers: int) -> int:
    """About how many of so many evaluated samples guesses are made: one half of as many on each side.

    The other half says how many guesses to make. More of one side are left out, for the coin has to be fair.
    """
    return min(members, nonmembers)


@lru_cache(maxsize=64)
def highest_epsilon(guesses: int, level: float = 0.95) -> float:
    """The largest lower bound on a pure epsilon that so many guesses can give: all of them right."""
    return lower_bound(Guesses(guesses, guesses, guesses), level)


def lower_bound(guesses: Guesses, level: float = 0.95, delta: float = 0.0) -> float:
    """The smallest epsilon, 0 or more, that so many right guesses do not refute: one-sided, at ``level``.

    With ``delta`` = 0 a guess is right with probability at most exp(e) / (1 + exp(e)), so that this is the log odds of
    Clopper and Pearson's lower limit. Else it is found by bisection on the bound of theorem 5.2 of the paper, which is
    about a number of guesses that is fixed beforehand.
    """
    from scipy.special import betaincinv

    right, made, _ = guesses
    if right == 0:
        return 0.0
    # the failures' upper limit: the successes' lower one would lose its digits near 1
    wrong = float(betaincinv(made - right + 1, right, level))
    pure = max(0.0, math.log1p(-wrong) - math.log(wrong)) if wrong < 1 else 0.0
    if delta == 0:
        return pure
    low, high = 0.0, pure
    if high == 0 or _chances(guesses, low, delta) > 1 - level:
        return 0.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        if _chances(guesses, middle, delta) > 1 - level:
            high = middle
        else:
            low = middle
    return low


def guesses_of(scores: npt.ArrayLike, member: npt.ArrayLike) -> Guesses:
    """Guess on one half of the samples, as many as the other half shows to be worth it.

    The highest scores are guessed to be members and the lowest not to be; from where on is what gives the best bound
    on the first half. The halves are drawn by chance among the samples of each side, whose order counts for nothing.

    Raises:
        LeakboardError: as `leakboard.statistics.ranking.checked`.
    """
    values, flags = checked(scores, member)
    order = np.lexsort((values, flags))
    values, flags = values[order], flags[order]
    rows = _drawn(np.packbits(flags).tobytes(), len(flags))
    first, second = np.split(rows, [len(rows) // 2])
    highest, lowest = _limits(values[first], flags[first])
    above, below = values[second] >= lowest, values[second] <= highest
    right = int((above & flags[second]).sum() + (below & ~flags[second]).sum())
    return Guesses(right, int(above.sum() + below.sum()), len(second))


def epsilon(
    scores: npt.ArrayLike,
    member: npt.ArrayLike,
    threshold: float | None = None,  # noqa: ARG001 - what every measure is given
    level: float = 0.95,
) -> Estimate:
    """`lower_bound` on a pure epsilon by `guesses_of`; the number is itself a limit, and has no interval.

    Raises:
        LeakboardError: as `leakboard.statistics.ranking.checked`.
    """
    guesses = guesses_of(scores, member)
    most = highest_epsilon(guesses.samples, level)
    method = (
        f"one run: {guesses.right} of {guesses.made} guesses right; {guesses.samples} samples give {most:.2f} at most"
    )
    return Estimate(lower_bound(guesses, level), None, None, method)


@lru_cache(maxsize=64)
def _drawn(flags: bytes, count: int) -> npt.NDArray[np.intp]:
    """As many rows of either side, in an order that tells nothing."""
    member = np.unpackbits(np.frombuffer(flags, np.uint8), count=count).astype(np.bool_)
    rng = np.random.default_rng(0)
    each = guessed(int(member.sum()), int((~member).sum()))
    sides = [rng.permutation(np.flatnonzero(member == side))[:each] for side in (True, False)]
    return rng.permutation(np.concatenate(sides))


def _limits(values: Array, member: Mask) -> tuple[float, float]:
    """The highest score that is guessed to be no member's, and the lowest that is guessed to be one's.

    The first is below the second. Only the order of scores decides, and equal ones are guessed alike.
    """
    order = np.argsort(values)
    ordered, flags = values[order], member[order]
    cuts = np.flatnonzero(np.r_[True, ordered[1:] > ordered[:-1], True])  # 0 and all among them: no guess of that kind
    members = np.r_[0, np.cumsum(flags)][cuts]
    count, others = len(order), cuts - members
    lower, upper = 0, len(cuts) - 1
    for _ in range(2):  # each end in turn, given the other
        right, made = members[-1] - members[lower:] + others[lower], count - cuts[lower:] + cuts[lower]
        upper = lower + _best(right, made)
        right, made = members[-1] - members[upper] + others[: upper + 1], count - cuts[upper] + cuts[: upper + 1]
        lower = _best(right, made)
    highest = ordered[cuts[lower] - 1] if lower else -np.inf
    lowest = ordered[cuts[upper]] if upper < len(cuts) - 1 else np.inf
    return float(highest), float(lowest)


def _best(right: Counts, made: Counts) -> int:
    """Where so many right guesses of so many have the highest lower limit (Wilson): it only chooses, roughly."""
    made = np.maximum(made, 1)
    share = right / made
    spread = np.sqrt(_Z2 * (share * (1 - share) / made + _Z2 / (4 * made**2)))
    return int(np.argmax((share + _Z2 / (2 * made) - spread) / (1 + _Z2 / made)))


def _chances(guesses: Guesses, epsilon: float, delta: float) -> float:
    """How likely so many right guesses are at most, under (epsilon, delta): theorem 5.2."""
    from scipy.stats import binom

    right, made, samples = guesses
    rate = 1 / (1 + math.exp(-epsilon))
    fewer = np.cumsum(binom.pmf(np.arange(right - 1, -1, -1), made, rate))  # i = 1, 2, ...: fewer right by up to i
    worst = float(np.max(fewer / np.arange(1, right + 1)))
    return float(binom.sf(right - 1, made, rate)) + 2 * samples * delta * worst
