"""Putting rows into the store, on a connection that holds the write lock (so looking before inserting is safe)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, bindparam, insert, select, update

from leakboard.api import AXES
from leakboard.store.tables import Artifact, Attempt, Cell, Component, Result, Run, Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leakboard.store.artifacts import ArtifactRow
    from leakboard.store.rows import AttemptRow, CellRow, ComponentRow, RunInfo, TaskRow

T = TypeVar("T")
CHUNK = 500
"""Values in one SQL list: older SQLite allows 999."""


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in pieces that fit one SQL list."""
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def add_run(connection: Connection, run: RunInfo, status: str, **more: Any) -> int:
    """A new run's id."""
    values = {**vars(run), "status": status, **more}
    return connection.execute(insert(Run).values(values).returning(Run.id)).scalar_one()


def component_ids(connection: Connection) -> dict[tuple[str, str], int]:
    """Id by kind and identity."""
    rows = connection.execute(select(Component.kind, Component.identity, Component.id))
    return {(kind, identity): number for kind, identity, number in rows}


def add_components(connection: Connection, components: Sequence[ComponentRow]) -> None:
    """Insert those that are not there."""
    if not components:
        return
    known = component_ids(connection)
    missing = {(c.kind, c.identity): c for c in components if (c.kind, c.identity) not in known}
    if missing:
        connection.execute(insert(Component), [vars(component) for component in missing.values()])


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
        rows = connection.execute(select(Cell.key, Cell.attack, Cell.role).where(Cell.key.in_(keys)))
        known.update((key, (attack, role)) for key, attack, role in rows)
    ids = component_ids(connection)
    new = [_cell_values(cell, ids) for cell in by_key.values() if cell.key not in known]
    renamed = [
        {"its_key": key, "attack": by_key[key].attack, "role": by_key[key].role}
        for key, name in known.items()
        if name != (by_key[key].attack, by_key[key].role)
    ]
    if new:
        connection.execute(insert(Cell), new)
    if renamed:
        connection.execute(update(Cell).where(Cell.key == bindparam("its_key")), renamed)
    return len(new)


def add_attempts(connection: Connection, run_id: int, attempts: Sequence[AttemptRow]) -> None:
    """Append attempts and their results."""
    if not attempts:
        return
    rows = [
        {
            **{name: value for name, value in vars(attempt).items() if name != "results"},
            "run_id": run_id,
            "error": _plain(attempt.error),
            "traceback": _plain(attempt.traceback),
        }
        for attempt in attempts
    ]
    ids = connection.scalars(insert(Attempt).returning(Attempt.id, sort_by_parameter_order=True), rows).all()
    results = [
        {**vars(result), "attempt_id": number}
        for number, attempt in zip(ids, attempts, strict=True)
        for result in attempt.results
    ]
    if results:
        connection.execute(insert(Result), results)


def add_artifacts(connection: Connection, run_id: int, artifacts: Sequence[ArtifactRow]) -> None:
    """Insert artifact rows; one that was made anew replaces its row."""
    if not artifacts:
        return
    by_key = {artifact.key: artifact for artifact in artifacts}
    known: set[str] = set()
    for keys in chunks(list(by_key)):
        known.update(connection.scalars(select(Artifact.key).where(Artifact.key.in_(keys))))
    new = [{**vars(row), "run_id": run_id} for key, row in by_key.items() if key not in known]
    again = [{**vars(row), "run_id": run_id, "its_key": key} for key, row in by_key.items() if key in known]
    if new:
        connection.execute(insert(Artifact), new)
    if again:
        connection.execute(update(Artifact).where(Artifact.key == bindparam("its_key")), again)


def add_tasks(connection: Connection, run_id: int, tasks: Sequence[TaskRow]) -> None:
    """Append tasks."""
    if tasks:
        connection.execute(
            insert(Task), [{**vars(task), "run_id": run_id, "error": _plain(task.error)} for task in tasks]
        )


def _cell_values(cell: CellRow, ids: dict[tuple[str, str], int]) -> dict[str, Any]:
    values = dict(vars(cell))
    for axis in AXES:
        identity = values.pop(axis)
        if (axis, identity) not in ids:
            raise LookupError(f"cell {cell.key} names the {axis} {identity}, which was never recorded")
        values[f"{axis}_id"] = ids[axis, identity]
    return values


def _plain(text: str) -> str:
    """Text that every database takes: no NUL, no half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
