"""What the samples that a grid evaluates are too few for: said by the plan, before anything is paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard.statistics.measures import BUILT_IN, RATES
from leakboard.statistics.nulls import POWER
from leakboard.statistics.power import LEVEL, smallest_auc
from leakboard.statistics.roc import CALIBRATED, SHOWN, flag_of, nonmembers_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from leakboard.kinds import Sides


def too_few(evaluated: Mapping[str, Sides]) -> list[str]:
    """One line a dataset whose evaluated samples cannot carry a reported measure, and one with the next step.

    ``evaluated`` has the counts by the dataset's label. A measure is named exactly where its results will be flagged.
    """
    short = {dataset: (sides, said) for dataset, sides in evaluated.items() if (said := list(_said(sides)))}
    lines = [f"warning: {dataset} has {_counted(sides)}: {'; '.join(said)}" for dataset, (sides, said) in short.items()]
    if lines:
        sides = min((sides for sides, _ in short.values()), key=lambda sides: sides.nonmembers)
        lines.append(f"  try: leakboard power --members {sides.members} --nonmembers {sides.nonmembers}")
    return lines


def _said(sides: Sides) -> Iterator[str]:
    least = smallest_auc(*sides)
    if least is None:
        yield f"no AUC is told from chance with {POWER:.0%} probability, at {LEVEL:.0%} confidence"
    for measure in BUILT_IN:
        if measure.name not in RATES:
            continue
        rate = RATES[measure.name]
        flag = flag_of(sides.nonmembers, rate)
        if flag == "hidden":
            yield f"{measure.title} will be hidden (shown from {nonmembers_for(rate, SHOWN):,} non-members)"
        elif flag:
            yield f"{measure.title} will be marked † (unmarked from {nonmembers_for(rate, CALIBRATED):,} non-members)"


def _counted(sides: Sides) -> str:
    return f"{sides.members:,} members and {sides.nonmembers:,} non-members to evaluate"
