"""Cells, components and answers as rows of the store."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from leakboard.asking import ACCESS
from leakboard.faults import contained
from leakboard.registry.public import is_public
from leakboard.store.rows import AttemptRow, CellRow, ComponentRow, TaskRow
from leakboard.tasks.task import ObserveTask, PartOutcome, ScoreTask
from leakboard.texts import all_discreet, discreet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leakboard.api import Component
    from leakboard.grid.cells import Cell
    from leakboard.registry.bind import Bound
    from leakboard.tasks.sample_lists import Population
    from leakboard.tasks.task import Task, TaskOutcome

_TOLD = {field.name for field in fields(AttemptRow)} & {field.name for field in fields(PartOutcome)}
"""What an attempt has straight from the task that made it."""


def cell_row(cell: Cell) -> CellRow:
    """One point of the grid."""
    return CellRow(
        key=cell.key,
        **{axis: point.identity for axis, point in cell.axes.items()},
        attacker=cell.attacker.shown,
        labels=cell.labels,
        seed=cell.seed,
        members=cell.sides.members,
        nonmembers=cell.sides.nonmembers,
        attack=cell.attack,
        role="null" if cell.is_null else "attack",
        access=_access(cell.observer),
    )


def component_rows(cells: Iterable[Cell], populations: dict[str, Population]) -> list[ComponentRow]:
    """The components of some cells, shadow victims among them; what is known of a dataset's samples stands with it."""
    points: dict[str, Bound] = {}
    for cell in cells:
        points |= {point.identity: point for point in (*cell.axes.values(), *cell.attacker.shadows)}
    return [
        ComponentRow(
            kind=point.kind,
            spec=point.shown,
            label=point.label,
            identity=identity,
            info=all_discreet(_facts(point, populations)),
        )
        for identity, point in points.items()
    ]


def task_row(task: Task, outcome: TaskOutcome) -> TaskRow:
    """One finished task; its status is that of the first answer that failed."""
    failed = [answer for answer in outcome.parts if answer.status not in ("done", "skipped")]
    return TaskRow(
        kind="observe" if isinstance(task, ObserveTask) else "score",
        label=discreet(task.label),
        victim=task.victim_identity,
        dataset=task.dataset_identity,
        status=failed[0].status if failed else "done",
        seconds=outcome.seconds,
        nfe=outcome.evaluations,
        samples=task.stop - task.start if isinstance(task, ObserveTask) else 0,
        cells=len(task.cells) if isinstance(task, ScoreTask) else 0,
        error=discreet(failed[0].error) if failed else "",
    )


def attempt_row(cell: str, answer: PartOutcome, outcome: TaskOutcome) -> AttemptRow:
    """What became of a cell; one without a result has no price."""
    told = {name: getattr(answer, name) for name in _TOLD} | {"nfe": answer.evaluations}
    told |= {name: discreet(told[name]) for name in ("error", "traceback", "note")}
    if answer.status != "done":
        told |= {"queries": None, "nfe": None}
    return AttemptRow(cell_key=cell, peak_mb=outcome.peak_mb or None, batch_size=outcome.batch, **told)


def _access(observer: Bound) -> str:
    """The most that any of its choices asks for."""
    asked = (choice.only.access for choice in observer.choices)
    return "none" if observer.only.null else max(asked, key=ACCESS.index)


def _facts(point: Bound, populations: dict[str, Population]) -> dict[str, Any]:
    facts: dict[str, Any] = {"doc": (type(point.chain[0]).__doc__ or "").partition("\n")[0]}
    for link in point.chain:
        facts |= _told(link)
    if point.kind == "observer":
        facts |= {"access": _access(point), "space": point.only.space}
    if point.kind == "dataset" and point.identity in populations:
        known = populations[point.identity]
        sides = {"members": int(known.member.sum()), "nonmembers": int((~known.member).sum())}
        facts |= sides | {"notes": list(known.notes)}
    if point.kind == "dataset":
        facts |= {"public": is_public(point)}
    if point.kind == "victim":
        facts |= {"null": point.only.null}
        facts |= {"bill": asdict(point.only.bill)} if point.only.bill else {}
    return facts


def _told(link: Component) -> dict[str, Any]:
    """What a component tells of itself; where it fails to, that is the fact."""
    told: dict[str, Any] = {}
    with contained() as caught:
        told = dict(json.loads(json.dumps(link.facts(), allow_nan=False)))
    return {"fault": f"{link.name}: facts() failed: {caught.fault.error}"} if caught.fault else told
