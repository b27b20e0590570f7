"""AUCs as they would be if the labels meant nothing: of one check by itself, and of many that share their samples."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from leakboard.statistics.ranking import centred_ranks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Array, Mask

CHUNK = 256
"""Permutations at a time: it bounds the memory, some 10 MB at ten thousand samples."""


class Scores(NamedTuple):
    """Scores (N,) of the evaluation samples ``ids`` of one cell, and who is a member (N,)."""

    ids: tuple[str, ...]
    score: Array
    member: Mask


def null_deviation(members: int, nonmembers: int, scores: npt.ArrayLike | None = None) -> float:
    """Standard deviation of the AUC when labels are dealt out at random (Mann and Whitney 1947, ties included).

    Without the scores there are none: ties make it smaller. It is 0 when all scores are equal.
    """
    count = members + nonmembers
    correction = 0.0
    if scores is not None:
        _, tied = np.unique(np.asarray(scores), return_counts=True)
        correction = float((tied.astype(np.float64) ** 3 - tied).sum()) / (count * (count - 1))
    return math.sqrt(max(0.0, count + 1 - correction) / (12 * members * nonmembers))


def fewest_chances(members: int, nonmembers: int) -> float:
    """The lowest two-sided p-value that any scores can have: perfect separation, one way or the other."""
    log = math.lgamma(members + 1) + math.lgamma(nonmembers + 1) - math.lgamma(members + nonmembers + 1)
    return min(1.0, 2 * math.exp(log))


def dealt(checks: Sequence[Scores], draws: int, seed: int = 0) -> Array:
    """Standardized AUCs (draws, checks) of checks on the same samples with their labels dealt out anew, all alike.

    One draw gives every check the same labels, so that what correlates checks correlates these. Samples that only some
    checks evaluate take part: labels are dealt out over all of them. Each column has its own mean taken off and is
    divided by its deviation; a check whose scores are all equal has zeros.

    Raises:
        ValueError: checks disagree on who is a member.
    """
    flags: dict[str, bool] = {}
    for check in checks:
        flags.update(zip(check.ids, check.member.tolist(), strict=True))
    if any(flags[sample] != flag for check in checks for sample, flag in zip(check.ids, check.member, strict=True)):
        raise ValueError("checks whose labels are dealt out together agree on who is a member")
    names = sorted(flags)
    places = {name: place for place, name in enumerate(names)}
    labels = np.array([flags[name] for name in names], np.float32)
    found = np.zeros((draws, len(checks)))
    numbers_of = defaultdict[tuple[str, ...], list[int]](list)
    for number, check in enumerate(checks):
        numbers_of[check.ids].append(number)
    together = [
        (numbers, [places[name] for name in ids], np.stack([centred_ranks(checks[n].score) for n in numbers], 1))
        for ids, numbers in numbers_of.items()
    ]
    rng = np.random.default_rng(seed)
    for start in range(0, draws, CHUNK):
        size = min(CHUNK, draws - start)
        drawn = rng.permuted(np.broadcast_to(labels, (size, len(labels))), axis=1)
        for numbers, columns, ranks in together:
            mine = drawn[:, columns]
            members = mine.sum(1, keepdims=True)
            # how far the members' ranks are above the middle, in pairs won: the AUC less one half
            found[start : start + size, numbers] = mine @ ranks / np.maximum(members * (len(columns) - members), 1)
    found -= found.mean(0)
    deviation = found.std(0)
    found[:, deviation < 1e-12] = 0
    found /= np.where(deviation < 1e-12, 1, deviation)
    return found
