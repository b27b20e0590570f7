"""What a measure owes: a number within its bounds, whatever the order of samples, from scores it leaves as they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from leakboard.api import Estimate
from leakboard.testing.checks import Check, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakboard.api import Array, Mask, Measure

COUNT = 80
"""Evaluation samples, one half members."""
ROUNDING = 1e-9
"""How far sums may differ that were made in another order."""


def _scores() -> Iterator[tuple[str, Array, Mask]]:
    """Scores as cells have them: at chance, telling, perfect, upside down, tied, all alike, huge, of few samples."""
    random = np.random.default_rng(0)
    member = np.arange(COUNT) % 2 == 0
    noise = random.normal(size=COUNT)
    yield "scores at chance", noise, member
    yield "scores that tell", noise + member, member
    yield "scores that separate", noise + 100.0 * member, member
    yield "scores that separate the wrong way", noise - 100.0 * member, member
    yield "scores with ties", np.round(noise + member), member
    yield "scores all alike", np.zeros(COUNT), member
    yield "huge scores", 1e200 * noise, member
    yield "more non-members than members", noise + member, np.arange(COUNT) < COUNT // 8
    yield "two samples", np.array([0.25, 0.75]), np.array([False, True])


def _measured(measure: Measure, what: str, scores: Array, member: Mask, threshold: float | None) -> Estimate | None:
    found = measure.function(scores, member, threshold)
    where = f"of {what}" + ("" if threshold is not None else ", without a threshold,")
    if found is None:
        return None
    assert isinstance(found, Estimate), f"{where} it makes {found!r:.80}, expected a leakboard.api.Estimate or None"
    low, high = (found.value if limit is None else limit for limit in (found.low, found.high))
    told = f"{where} it makes {found.value} [{found.low}, {found.high}]"
    assert all(math.isfinite(number) for number in (found.value, low, high)), f"{told}, which is not finite"
    assert measure.bounds[0] <= found.value <= measure.bounds[1], f"{told}, which is outside {measure.bounds}"
    assert low - ROUNDING <= found.value <= high + ROUNDING, f"{told}, which is no interval around it"
    return found


def _declared(subject: Subject) -> None:
    measure: Measure = subject.made
    low, high = measure.bounds
    assert low < high, f"its bounds {measure.bounds} leave no room for a number"
    try:
        format(0.5, measure.format)
    except ValueError:
        raise AssertionError(f"{measure.format!r} is no format of a number") from None


def _numbers(subject: Subject) -> None:
    found = [_measured(subject.made, what, scores, member, 0.0) for what, scores, member in _scores()]
    assert any(found), "it never makes a number"


def _no_threshold(subject: Subject) -> None:
    for what, scores, member in _scores():
        _measured(subject.made, what, scores, member, None)


def _order(subject: Subject) -> None:
    for what, scores, member in _scores():
        order = np.random.default_rng(1).permutation(len(scores))
        one = _measured(subject.made, what, scores, member, 0.0)
        other = _measured(subject.made, what, scores[order], member[order], 0.0)
        assert _alike(one, other), f"of {what} in another order it makes {_told(other)} in place of {_told(one)}"


def _repeatable(subject: Subject) -> None:
    for what, scores, member in _scores():
        before = scores.copy(), member.copy()
        one, other = (_measured(subject.made, what, scores, member, 0.0) for _ in range(2))
        assert one == other, f"of {what} it makes {_told(other)} the second time, and {_told(one)} the first"
        unchanged = all((kept == now).all() for kept, now in zip(before, (scores, member), strict=True))
        assert unchanged, "it changed its input in place"


def _alike(one: Estimate | None, other: Estimate | None) -> bool:
    if one is None or other is None:
        return one is other
    pairs = zip(one[:3], other[:3], strict=True)
    return one[3:] == other[3:] and all(
        (a is None and b is None) or (a is not None and b is not None and abs(a - b) <= ROUNDING * max(1, abs(a)))
        for a, b in pairs
    )


def _told(found: Estimate | None) -> str:
    return "nothing" if found is None else f"{found.value} [{found.low}, {found.high}]"


CHECKS = (
    Check("format and bounds", _declared),
    Check("a number within its bounds", _numbers),
    Check("copes without a threshold", _no_threshold),
    Check("independent of the order of samples", _order),
    Check("repeatable, inputs untouched", _repeatable),
)
