"""What several parts of the store ask of its tables, and rows of tables as the values that callers know."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Row, Select, func, select

from leakboard.store.rows import AttemptRow, ResultRow
from leakboard.store.tables import AttemptTable, ResultTable, RunTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

T = TypeVar("T")
CHUNK = 500
"""Values in one SQL list: older SQLite allows 999."""


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in pieces that fit one SQL list."""
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def last_attempts() -> Select[tuple[int]]:
    """Ids of the attempts that count: each cell's newest. Time decides, for merging appends older ones.

    What a store records itself is never older than what it has, see `leakboard.store.inserting.after_the_last`.
    """
    # ids are given out by each store, runs keep their name wherever they are merged
    run = select(RunTable.uid).where(RunTable.id == AttemptTable.run_id).scalar_subquery()
    newest_first = (AttemptTable.created.desc(), run.desc(), AttemptTable.id.desc())
    place = func.row_number().over(partition_by=AttemptTable.cell_key, order_by=newest_first).label("place")
    ranked = select(AttemptTable.id, place).subquery()
    return select(ranked.c.id).where(ranked.c.place == 1)


def attempt_rows(connection: Connection, rows: Iterable[Row[Any]]) -> list[AttemptRow]:
    """Rows of the table of attempts as they were recorded, with their results."""
    found = list(rows)
    results: dict[int, list[ResultRow]] = {}
    for ids in chunks([row.id for row in found]):
        numbers = select(ResultTable).where(ResultTable.attempt_id.in_(ids)).order_by(ResultTable.measure)
        for row in connection.execute(numbers):
            results.setdefault(row.attempt_id, []).append(as_row(ResultRow, row))
    return [as_row(AttemptRow, row, results=tuple(results.get(row.id, ()))) for row in found]


def as_row(kind: type[T], row: Row[Any], **more: Any) -> T:
    """A value made of the columns that it has a field for."""
    names = {field.name for field in fields(kind)} & set(row._fields)  # type: ignore[arg-type]
    return kind(**{name: getattr(row, name) for name in names}, **more)
