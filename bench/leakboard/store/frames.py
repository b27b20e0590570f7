"""The store's rows as tidy pandas frames. Only a cell's last attempt counts.

Columns and their types are those of the tables, so what a row of `leakboard.store.rows` gains shows up by itself.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Connection, Double, Integer, Select, Text, func, select
from sqlalchemy.orm import aliased

from leakboard.api import AXES
from leakboard.store.queries import last_attempts
from leakboard.store.rows import AttemptRow, CellRow, ResultRow
from leakboard.store.tables import AttemptTable, CellTable, ComponentTable, ResultTable, RunTable, TaskTable, Utc
from leakboard.texts import discreet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from leakboard.store.store import Store

GRID = tuple(field.name for field in fields(CellRow) if field.name != "key")
"""What tells cells apart, and what they are called."""
NUMBERS = tuple(field.name for field in fields(ResultRow))
ATTEMPT = tuple(field.name for field in fields(AttemptRow) if field.name not in ("cell_key", "created", "results"))
OF_CELLS = ("status", "error", "traceback", "n_calibration", "n_evaluation", "scores_key", "batch_size", "measured_by")
"""What of an attempt `cells` tells, and a table of numbers can do without."""
_TYPES: tuple[tuple[type, str, str], ...] = (
    (Text, "str", "str"),
    (Double, "float64", "float64"),
    (BigInteger, "int64", "Int64"),
    (Integer, "int64", "Int64"),
    (Utc, "datetime64[us, UTC]", "datetime64[us, UTC]"),
)
"""Types of columns in the database, and in frames where nothing is missing, and where something may be."""


def results(store: Store, measure: str | None = None) -> pd.DataFrame:
    """One row per measure of every cell whose last attempt is done, or of the one measure that is named.

    Columns: cell (key), the six axes in their short spelling, attacker, labels, seed, members and nonmembers (in use,
    0 for all), attack, role, access, measure, value, low, high, n_member, n_nonmember, method, flag, queries and nfe
    (per sample), seconds (of the attack alone, see `AttemptRow`), peak_mb, fit (how images were fitted to the victim:
    ``exact``, the rule in words, or empty where it was not noted), note (what a reader must know of the numbers),
    bypass (which questions went past a defense, by where it stands; ``nothing``, or empty where it was not noted),
    calibration_auc (what the reported attack is chosen by, see `AttemptRow`), chosen (of what ``tune`` left open), run
    (id), created (UTC).
    """
    numbers = [getattr(ResultTable, name) for name in NUMBERS]
    statement = _cells([*numbers, *_attempt(without=OF_CELLS)]).join(
        ResultTable, ResultTable.attempt_id == AttemptTable.id
    )
    done = statement.where(AttemptTable.status == "done").order_by(AttemptTable.id, ResultTable.measure)
    return _frame(store, done if measure is None else done.where(ResultTable.measure == measure), spell=AXES)


def known_measures(store: Store) -> list[str]:
    """Names of the measures that any cell has."""
    with store.reading() as connection:
        return sorted(connection.scalars(select(ResultTable.measure).distinct()))


def cells(store: Store) -> pd.DataFrame:
    """One row per tried cell and its last attempt.

    Columns: cell (key), the axes as in `results`, status, error, queries, nfe, seconds, peak_mb, n_calibration,
    n_evaluation, scores_key, batch_size, fit, note, bypass, calibration_auc, chosen, measured_by (a dict), run (id),
    created (UTC).
    """
    return _frame(store, _cells(_attempt(without=("traceback",))).order_by(AttemptTable.id), spell=AXES)


def components(store: Store) -> pd.DataFrame:
    """One row per plugin with parameters: kind, label, spec, identity, info (a dict)."""
    others = (ComponentTable.spec, ComponentTable.identity, ComponentTable.info)
    statement = select(ComponentTable.kind, ComponentTable.id.label("label"), *others)
    return _frame(store, statement.order_by(ComponentTable.kind, ComponentTable.id), spell=("label",))


def runs(store: Store) -> pd.DataFrame:
    """One row per run, oldest first, with all that was noted about it (provenance is a dict)."""
    frame = _frame(store, select(*RunTable.__table__.columns).order_by(RunTable.started, RunTable.id))
    for name in ("grid_text", "command"):
        frame[name] = frame[name].map(discreet)  # older versions wrote them as they were
    return frame


def tasks(store: Store) -> pd.DataFrame:
    """One row per task, oldest first."""
    columns = [column for column in TaskTable.__table__.columns if column.name != "run_id"]
    statement = select(*columns, TaskTable.run_id.label("run"))
    return _frame(store, statement.order_by(TaskTable.created, TaskTable.id))


def failures(store: Store) -> pd.DataFrame:
    """Cells whose last attempt gave no result, grouped by status and error, most frequent first.

    Columns: status, error, count, cell (key of the first one), axes (its spelling), traceback (of the first one).
    """
    import pandas as pd

    columns = [AttemptTable.status, AttemptTable.error, AttemptTable.traceback]
    frame = _frame(store, _cells(columns).where(AttemptTable.status != "done").order_by(AttemptTable.id), spell=AXES)
    axes = pd.Series([" ".join(map(str, row)) for row in frame[list(AXES)].itertuples(index=False)], dtype="str")
    groups = frame.assign(axes=axes).groupby(["status", "error"], observed=True, sort=False)
    grouped = groups.agg(
        count=("cell", "size"), cell=("cell", "first"), axes=("axes", "first"), traceback=("traceback", "first")
    ).reset_index()
    return grouped.sort_values("count", ascending=False, kind="stable", ignore_index=True)


def _attempt(*, without: Sequence[str]) -> list[Any]:
    """Columns of an attempt, and which run it was part of, and when."""
    columns = [getattr(AttemptTable, name) for name in ATTEMPT if name not in without]
    return [*columns, AttemptTable.run_id.label("run"), AttemptTable.created]


def _cells(columns: Sequence[Any]) -> Select[Any]:
    """Cells joined with their last attempt, the axes as component ids (`_frame` spells them)."""
    axes = [getattr(CellTable, f"{axis}_id").label(axis) for axis in AXES]
    others = [getattr(CellTable, name) for name in GRID if name not in AXES]
    statement = select(CellTable.key.label("cell"), *axes, *others, *columns)
    return statement.join(AttemptTable, AttemptTable.cell_key == CellTable.key).where(
        AttemptTable.id.in_(last_attempts())
    )


def _labels(connection: Connection) -> dict[int, str]:
    """Short spelling by component id.

    Two components of one spelling differ in code or files; the newest keeps the plain label and the
    others show the start of their identity, so no table mixes them up.
    """
    twin = aliased(ComponentTable)
    newest = (
        select(func.max(twin.id))
        .where(twin.kind == ComponentTable.kind, twin.label == ComponentTable.label)
        .scalar_subquery()
    )
    rows = connection.execute(select(ComponentTable.id, ComponentTable.label, ComponentTable.identity, newest))
    return {number: label if number == last else f"{label} #{identity[:6]}" for number, label, identity, last in rows}


def _frame(store: Store, statement: Select[Any], *, spell: Sequence[str] = ()) -> pd.DataFrame:
    """The rows, columns in ``spell`` turned from component ids to labels; an empty frame has the same types."""
    import pandas as pd

    with store.reading() as connection:
        found = connection.execute(statement)
        frame = pd.DataFrame(found.all(), columns=list(found.keys()))
        labels = _labels(connection) if spell else {}
    for column in spell:
        frame[column] = frame[column].map(labels)
    types = {column.key: _type(column) for column in statement.selected_columns} | dict.fromkeys(spell, "str")
    return frame.astype({name: found for name, found in types.items() if found})


def _type(column: Any) -> str:
    """What a column of a table is in a frame; empty for JSON, which stays as it is."""
    inner = getattr(column, "element", column)
    for kind, whole, optional in _TYPES:
        if isinstance(inner.type, kind):
            return optional if inner.nullable else whole
    return ""
