"""One store out of several: what was run elsewhere, or by others, beside one's own.

Content keys and each run's ``uid`` say what is the same thing in two stores, so merging again adds nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, update
from sqlalchemy.orm import aliased

from leakboard.api import AXES
from leakboard.errors import LeakboardError
from leakboard.store.artifacts import ArtifactRow, Artifacts, Damaged, Missing
from leakboard.store.inserting import add_artifacts, add_attempts, add_cells, add_components, add_run, add_tasks
from leakboard.store.queries import as_row, attempt_rows
from leakboard.store.rows import AttemptRow, CellRow, ComponentRow, RunInfo, TaskRow
from leakboard.store.tables import (
    ArtifactTable,
    AttemptTable,
    CellTable,
    ComponentTable,
    RunTable,
    TaskTable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.store.store import Store


@dataclass(frozen=True)
class MergeReport:
    """How many rows were new.

    Attributes:
        cells, attempts, results, artifacts: rows added.
        missing: artifacts that a source lists but no longer has.
        damaged: artifacts whose file is not what the source once wrote, or cannot be read; left behind.
        differing: cells for which the stores have other numbers; the newest attempt counts.
    """

    cells: int = 0
    attempts: int = 0
    results: int = 0
    artifacts: int = 0
    missing: int = 0
    damaged: int = 0
    differing: tuple[str, ...] = ()

    def __add__(self, other: MergeReport) -> MergeReport:
        return MergeReport(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def merge(into: Store, sources: Sequence[Store], *, strict: bool = False) -> MergeReport:
    """Add what the sources hold and ``into`` does not, each source in one transaction; sources stay as they are.

    Where stores differ in the numbers of a cell all attempts are kept, and the newest counts; of two of the same
    moment the one whose run has the greater ``uid``. So the order of merging changes nothing.

    Args:
        into: where to.
        sources: where from.
        strict: refuse, before anything is written, when two of the stores differ in a number of the same cell.

    Raises:
        LeakboardError: ``into`` was opened read-only or cannot be written, or stores differ and that is refused.
    """
    into.must_be_writable()
    differing = _differing([into, *sources])
    if differing and strict:
        raise LeakboardError(
            f"the stores differ in the numbers of {len(differing)} cells",
            where=", ".join(key[:12] for key in differing[:5]),
            expected="the same numbers of the same cells",
            next="without --strict the newest numbers count; leakboard verify tells which store is sound",
        )
    return replace(_merged(into, sources), differing=differing)


def _differing(stores: Sequence[Store]) -> tuple[str, ...]:
    """Keys of cells for which two stores have other values of one measure, made by the same code."""
    seen: dict[tuple[str, str, str], set[tuple[object, ...]]] = {}
    for place in dict.fromkeys(store.url for store in stores):
        store = next(each for each in stores if each.url == place)
        done = [key for key, status in store.latest_status().items() if status == "done"]
        for attempt in store.last_attempts(done):
            for row in attempt.results:
                what = attempt.cell_key, row.measure, str(attempt.measured_by.get(row.measure, ""))
                value = None if row.value is None or row.value != row.value else row.value
                seen.setdefault(what, set()).add((value, row.low, row.high, row.n_member, row.n_nonmember))
    return tuple(sorted({cell for (cell, *_), values in seen.items() if len(values) > 1}))


def _merged(into: Store, sources: Sequence[Store]) -> MergeReport:
    return sum((_merge_one(into, source) for source in sources), MergeReport())


def _merge_one(into: Store, source: Store) -> MergeReport:
    new_files, report = _copy_artifacts(into, source)
    with source.reading() as there, into.writing() as here:
        add_components(here, [as_row(ComponentRow, row) for row in there.execute(select(ComponentTable))])
        report += MergeReport(cells=_add_new_cells(here, there))
        known = {uid: number for uid, number in here.execute(select(RunTable.uid, RunTable.id))}  # noqa: C416 - rows are not pairs to mypy
        for run in there.execute(select(RunTable).order_by(RunTable.started, RunTable.id)):
            run_id = known.get(run.uid) or add_run(here, as_row(RunInfo, run), run.status, finished=run.finished)
            here.execute(
                update(RunTable)
                .where(RunTable.id == run_id, RunTable.finished.is_(None))
                .values(status=run.status, finished=run.finished)
            )
            attempts = _new_attempts(here, there, run_id, run.id)
            add_attempts(here, run_id, attempts)
            add_tasks(here, run_id, _new_tasks(here, there, run_id, run.id))
            add_artifacts(here, run_id, new_files.get(run.id, []))
            report += MergeReport(attempts=len(attempts), results=sum(len(attempt.results) for attempt in attempts))
    return report


def _add_new_cells(here: Connection, there: Connection) -> int:
    """Cells that are in both keep the names they have here."""
    known = set(here.scalars(select(CellTable.key)))
    axes = {axis: aliased(ComponentTable) for axis in AXES}
    identities = [axes[axis].identity.label(axis) for axis in AXES]
    others = [getattr(CellTable, field.name) for field in fields(CellRow) if field.name not in AXES]
    statement = select(*others, *identities)
    for axis, component in axes.items():
        statement = statement.join(component, component.id == getattr(CellTable, f"{axis}_id"))
    return add_cells(here, [as_row(CellRow, row) for row in there.execute(statement) if row.key not in known])


def _new_attempts(here: Connection, there: Connection, here_id: int, there_id: int) -> list[AttemptRow]:
    same = select(AttemptTable.cell_key, AttemptTable.created).where(AttemptTable.run_id == here_id)
    known = {tuple(row) for row in here.execute(same)}
    rows = there.execute(select(AttemptTable).where(AttemptTable.run_id == there_id).order_by(AttemptTable.id))
    return attempt_rows(there, (row for row in rows if (row.cell_key, row.created) not in known))


def _new_tasks(here: Connection, there: Connection, here_id: int, there_id: int) -> list[TaskRow]:
    same = attrgetter("kind", "label", "created")
    known = {same(row) for row in here.execute(select(TaskTable).where(TaskTable.run_id == here_id))}
    rows = there.execute(select(TaskTable).where(TaskTable.run_id == there_id).order_by(TaskTable.id))
    return [as_row(TaskRow, row) for row in rows if same(row) not in known]


def _copy_artifacts(into: Store, source: Store) -> tuple[dict[int, list[ArtifactRow]], MergeReport]:
    """Copy files that are not whole here, before anything is locked; gives their rows by the source's run."""
    target, origin = Artifacts(into.artifacts), Artifacts(source.artifacts)
    with into.reading() as here, source.reading() as there:
        known = set(here.scalars(select(ArtifactTable.key)))
        rows = there.execute(select(ArtifactTable)).all()
    new: dict[int, list[ArtifactRow]] = {}
    missing = damaged = 0
    for row in rows:
        if row.key in known and target.whole(row.key):
            continue
        try:
            payload = origin.read(row.key)
        except Missing:
            missing += 1
            continue
        except Damaged:
            damaged += 1
            continue
        if hashlib.sha256(payload).hexdigest() != row.digest:
            damaged += 1
            continue
        target.write(row.key, payload)
        new.setdefault(row.run_id, []).append(as_row(ArtifactRow, row))
    count = sum(len(rows) for rows in new.values())
    return new, MergeReport(artifacts=count, missing=missing, damaged=damaged)
