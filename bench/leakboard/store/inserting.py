"""Putting rows into the store, on a connection that holds the write lock (so looking before inserting is safe)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from leakboard.api import AXES
from leakboard.store.queries import chunks
from leakboard.store.tables import (
    ArtifactTable,
    AttemptTable,
    CellTable,
    ComponentTable,
    ResultTable,
    RunTable,
    TaskTable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from leakboard.store.artifacts import ArtifactRow
    from leakboard.store.rows import AttemptRow, CellRow, ComponentRow, RunInfo, TaskRow


TICK = timedelta(microseconds=1)
"""What every database can tell apart."""


def add_run(connection: Connection, run: RunInfo, status: str, **more: Any) -> int:
    """A new run's id."""
    values = {**vars(run), "status": status, **more}
    return connection.execute(insert(RunTable).values(values).returning(RunTable.id)).scalar_one()


def component_ids(connection: Connection) -> dict[tuple[str, str], int]:
    """Id by kind and identity."""
    rows = connection.execute(select(ComponentTable.kind, ComponentTable.identity, ComponentTable.id))
    return {(kind, identity): number for kind, identity, number in rows}


def add_components(connection: Connection, components: Sequence[ComponentRow], *, renew: bool = False) -> None:
    """Insert those that are not there, and with ``renew`` bring up to date what the others are called and told of."""
    if not components:
        return
    if renew:
        changed = renewed(connection, components)
        if changed:
            statement = update(ComponentTable).where(ComponentTable.id == bindparam("its_id"))
            connection.execute(statement, changed)
    known = component_ids(connection)
    missing = {(c.kind, c.identity): c for c in components if (c.kind, c.identity) not in known}
    if missing:
        connection.execute(insert(ComponentTable), [vars(component) for component in missing.values()])


def renewed(connection: Connection, components: Sequence[ComponentRow]) -> list[dict[str, Any]]:
    """What is other of some components than it stands in the store: the same files may have a new name by now."""
    given = {(row.kind, row.identity): row for row in components}
    changed = []
    for row in connection.execute(select(ComponentTable)):
        new = given.get((row.kind, row.identity))
        if new is None:
            continue
        values = {"spec": new.spec, "label": new.label, "info": {**row.info, **new.info}}
        if values != {name: getattr(row, name) for name in values}:
            changed.append({"its_id": row.id, **values})
    return changed


def add_cells(connection: Connection, cells: Sequence[CellRow]) -> int:
    """Insert those that are not there, bring up to date how the others are called, and say how many were new.

    Raises:
        LookupError: a cell's component is not in the store.
    """
    if not cells:
        return 0
    by_key = {cell.key: cell for cell in cells}
    known: dict[str, tuple[str, str]] = {}
    for keys in chunks(list(by_key)):
        rows = connection.execute(
            select(CellTable.key, CellTable.attack, CellTable.role).where(CellTable.key.in_(keys))
        )
        known.update((key, (attack, role)) for key, attack, role in rows)
    ids = component_ids(connection)
    new = [_cell_values(cell, ids) for cell in by_key.values() if cell.key not in known]
    renamed = [
        {"its_key": key, "attack": by_key[key].attack, "role": by_key[key].role}
        for key, name in known.items()
        if name != (by_key[key].attack, by_key[key].role)
    ]
    if new:
        connection.execute(insert(CellTable), new)
    if renamed:
        connection.execute(update(CellTable).where(CellTable.key == bindparam("its_key")), renamed)
    return len(new)


def after_the_last(connection: Connection, attempts: Sequence[AttemptRow]) -> list[AttemptRow]:
    """Attempts that are newer than all those of their cells in the store, though a clock was set back meanwhile."""
    newest: dict[str, datetime] = {}
    for keys in chunks(list({attempt.cell_key for attempt in attempts})):
        last = select(AttemptTable.cell_key, func.max(AttemptTable.created)).where(AttemptTable.cell_key.in_(keys))
        newest.update((key, created) for key, created in connection.execute(last.group_by(AttemptTable.cell_key)))
    return [_not_before(attempt, newest.get(attempt.cell_key)) for attempt in attempts]


def _not_before(attempt: AttemptRow, last: datetime | None) -> AttemptRow:
    """The attempt, a microsecond after the last one of its cell where its clock says otherwise."""
    return attempt if last is None or attempt.created > last else replace(attempt, created=last + TICK)


def add_attempts(connection: Connection, run_id: int, attempts: Sequence[AttemptRow]) -> None:
    """Append attempts and their results."""
    if not attempts:
        return
    rows = [_values(attempt, run_id) for attempt in attempts]
    ids = connection.scalars(insert(AttemptTable).returning(AttemptTable.id, sort_by_parameter_order=True), rows).all()
    results = [
        {**vars(result), "attempt_id": number}
        for number, attempt in zip(ids, attempts, strict=True)
        for result in attempt.results
    ]
    if results:
        connection.execute(insert(ResultTable), results)


def add_artifacts(connection: Connection, run_id: int, artifacts: Sequence[ArtifactRow]) -> None:
    """Insert artifact rows; one that was made anew replaces its row."""
    if not artifacts:
        return
    by_key = {artifact.key: artifact for artifact in artifacts}
    known: set[str] = set()
    for keys in chunks(list(by_key)):
        known.update(connection.scalars(select(ArtifactTable.key).where(ArtifactTable.key.in_(keys))))
    new = [{**vars(row), "run_id": run_id} for key, row in by_key.items() if key not in known]
    again = [{**vars(row), "run_id": run_id, "its_key": key} for key, row in by_key.items() if key in known]
    if new:
        connection.execute(insert(ArtifactTable), new)
    if again:
        connection.execute(update(ArtifactTable).where(ArtifactTable.key == bindparam("its_key")), again)


def add_tasks(connection: Connection, run_id: int, tasks: Sequence[TaskRow]) -> None:
    """Append tasks."""
    if tasks:
        connection.execute(insert(TaskTable), [_values(task, run_id) for task in tasks])


def _cell_values(cell: CellRow, ids: dict[tuple[str, str], int]) -> dict[str, Any]:
    values = dict(vars(cell))
    for axis in AXES:
        identity = values.pop(axis)
        if (axis, identity) not in ids:
            raise LookupError(f"cell {cell.key} names the {axis} {identity}, which was never recorded")
        values[f"{axis}_id"] = ids[axis, identity]
    return values


def _values(row: AttemptRow | TaskRow, run_id: int) -> dict[str, Any]:
    values = {name: _plain(value) if isinstance(value, str) else value for name, value in vars(row).items()}
    values.pop("results", None)
    return {**values, "run_id": run_id}


def _plain(text: str) -> str:
    """Text that every database takes: no NUL, no half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
