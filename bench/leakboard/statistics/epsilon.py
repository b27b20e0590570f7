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

CHOICES = 12
"""How many numbers of guesses are tried on either end of the scores, beside none."""
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
    Clopper and Pearson's lower limit. Else it is found by bisection on the bound of theorem 5.2 of the paper.
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

    The highest scores are guessed to be members and the lowest not to be. How many of each is what gives the best
    bound on the first half. The halves are drawn without a look at labels or scores, and equal scores are put in an
    order that tells nothing.

    Raises:
        LeakboardError: as `leakboard.statistics.ranking.checked`.
    """
    values, flags = checked(scores, member)
    rows = _drawn(np.packbits(flags).tobytes(), len(flags))
    count = len(rows) // 2
    members, others = _numbers(*_ends(values, flags, rows[:count]))
    from_above, from_below = _ends(values, flags, rows[count:])
    return Guesses(int(from_above[members] + from_below[others]), members + others, count)


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
    """As many rows of either side, in an order that tells nothing; the same for all attacks on the same samples."""
    member = np.unpackbits(np.frombuffer(flags, np.uint8), count=count).astype(np.bool_)
    rng = np.random.default_rng(0)
    each = guessed(int(member.sum()), int((~member).sum()))
    sides = [rng.permutation(np.flatnonzero(member == side))[:each] for side in (True, False)]
    return rng.permutation(np.concatenate(sides))


def _ends(values: Array, flags: Mask, rows: npt.NDArray[np.intp]) -> tuple[Counts, Counts]:
    """How many of the k highest scores are members, and of the k lowest are not, for k = 0, 1, ... all of them."""
    ordered = flags[rows[np.argsort(values[rows], kind="stable")]]
    from_above, from_below = np.zeros((2, len(rows) + 1), np.int64)
    np.cumsum(ordered[::-1], out=from_above[1:])
    np.cumsum(~ordered, out=from_below[1:])
    return from_above, from_below


def _numbers(from_above: Counts, from_below: Counts) -> tuple[int, int]:
    """How many members and non-members to guess: those with the best lower limit of the share that is right."""
    above, below = _choices(len(from_above) - 1)
    made = above + below
    share = (from_above[above] + from_below[below]) / made
    # Wilson's limit, at some confidence: it only chooses, so it need not be exact
    low = (share + _Z2 / (2 * made) - np.sqrt(_Z2 * (share * (1 - share) / made + _Z2 / (4 * made**2)))) / (
        1 + _Z2 / made
    )
    best = int(np.argmax(low))
    return int(above[best]), int(below[best])


@lru_cache(maxsize=64)
def _choices(count: int) -> tuple[Counts, Counts]:
    """Numbers of guesses from above and from below that are tried on so many samples."""
    sizes = np.unique(np.r_[0, np.rint(np.geomspace(1, count, CHOICES))].astype(np.int64))
    above, below = (grid.ravel() for grid in np.meshgrid(sizes, sizes))
    fits = (above + below > 0) & (above + below <= count)
    return above[fits], below[fits]


def _chances(guesses: Guesses, epsilon: float, delta: float) -> float:
    """How likely so many right guesses are at most, under (epsilon, delta): theorem 5.2."""
    from scipy.stats import binom

    right, made, samples = guesses
    rate = 1 / (1 + math.exp(-epsilon))
    fewer = np.cumsum(binom.pmf(np.arange(right - 1, -1, -1), made, rate))  # i = 1, 2, ...: fewer right by up to i
    worst = float(np.max(fewer / np.arange(1, right + 1)))
    return float(binom.sf(right - 1, made, rate)) + 2 * samples * delta * worst
