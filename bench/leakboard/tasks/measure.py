"""From the scores of a cell to its numbers, by every measure there is: numpy alone, no victim and no classifier."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from leakboard.api import Estimate
from leakboard.digests import function_digest
from leakboard.faults import contained
from leakboard.keys import measure_key
from leakboard.store.rows import ResultRow
from leakboard.surroundings import kept
from leakboard.tasks.time_limits import Allowance

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from leakboard.api import Array, Mask, Measure
    from leakboard.registry.find import Registry

FAILED = "measure "
"""What the line of a note begins with that tells of a measure that failed."""
_ROUNDING = 1e-9


class Measured(NamedTuple):
    """What became of the measures of a cell.

    Attributes:
        results: the numbers.
        note: why some are missing: one line a measure that failed.
        measured_by: as in `leakboard.store.rows.AttemptRow`.
    """

    results: tuple[ResultRow, ...]
    note: str
    measured_by: Mapping[str, str]


def registered(registry: Registry) -> tuple[Measure, ...]:
    """The measures that come with Leakboard, and those of plugins."""
    return tuple(registry.values["measure"].values())


def key_of(measure: Measure) -> str:
    """What a number of this measure stands on; the harness tells the code of its own by their format.

    Raises:
        LeakboardError: the source code is nowhere to be found.
    """
    return measure_key(measure.name, function_digest(measure.function), measure.bounds)


def measure(
    measures: Iterable[Measure], scores: Array, member: Mask, threshold: float | None, timeout: float = 0.0
) -> Measured:
    """Compute every measure of some scores; one that fails leaves out its own number, and the note says why.

    Args:
        measures: from `registered`.
        scores: of the evaluation samples (N,).
        member: who is a member (N,).
        threshold: chosen on calibration samples; None for an attacker without labels.
        timeout: seconds that each measure may take; 0 is no limit.

    Raises:
        LeakboardError: the source code of one is nowhere to be found.
    """
    members = int(member.sum())
    given = scores.view(), member.view()
    for array in given:
        array.flags.writeable = False  # one that sorts in place fails, and does not spoil what the next one sees
    results, notes, measured_by = [], [], {}
    for each in measures:
        key = key_of(each)
        with contained() as caught:
            with kept(), Allowance(timeout):
                estimate = each.function(*given, threshold)
            if estimate is not None:
                results.append(_row(each, estimate, members, len(member) - members))
            measured_by[each.name] = key
        if caught.fault:
            notes.append(f"{FAILED}{each.name}: {caught.fault.error}")
    return Measured(tuple(results), "\n".join(notes), measured_by)


def joined(before: Measured, names: Collection[str], measured: Measured) -> Measured:
    """What stood there, with what the measures of some ``names`` give now in the place of what they gave before."""
    told = tuple(f"{FAILED}{name}: " for name in names)
    results = [row for row in before.results if row.measure not in names]
    lines = [line for line in before.note.splitlines() if not line.startswith(told)]
    keys = {name: key for name, key in before.measured_by.items() if name not in names}
    return Measured(
        (*results, *measured.results),
        "\n".join([*lines, *measured.note.splitlines()]),
        {**keys, **measured.measured_by},
    )


def _row(measure: Measure, estimate: object, members: int, others: int) -> ResultRow:
    """A number as it is stored.

    Raises:
        TypeError, ValueError: it is none, or not one that the measure may give.
    """
    if not isinstance(estimate, Estimate):
        raise TypeError(f"it returned {estimate!r:.80}, expected a leakboard.api.Estimate or None")
    value, low, high = float(estimate.value), *(None if limit is None else float(limit) for limit in estimate[1:3])
    for number in (value, low, high):
        if number is not None and not math.isfinite(number):
            raise ValueError(f"it returned {value:g} [{low}, {high}], which is not finite")
    least, most = measure.bounds
    if not least <= value <= most:
        raise ValueError(f"it returned {value:g}, which is not between {least:g} and {most:g}")
    if (low is not None and low > value + _ROUNDING) or (high is not None and high < value - _ROUNDING):
        raise ValueError(f"it returned {value:g}, which is outside its interval [{low}, {high}]")
    return ResultRow(
        measure=measure.name,
        value=value,
        low=low,
        high=high,
        n_member=members,
        n_nonmember=others,
        method=str(estimate.method),
        flag=estimate.flag,
    )
