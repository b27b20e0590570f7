"""The store's rows as tidy pandas frames. Only a cell's last attempt counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, func, select
from sqlalchemy.orm import aliased

from leakboard.api import AXES
from leakboard.store.store import last_attempts
from leakboard.store.tables import Attempt, Cell, Component, Result, Run, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from leakboard.store.store import Store

GRID = (*AXES, "attacker", "labels", "seed", "samples", "attack", "role", "access")
COST = ("queries", "nfe", "seconds", "peak_mb")
_TYPES = {
    **dict.fromkeys((*COST, "value", "low", "high"), "float64"),
    **dict.fromkeys(("seed", "samples", "run", "id", "pid", "cells", "n_member", "n_nonmember"), "int64"),
    **dict.fromkeys(("n_calibration", "n_evaluation"), "int64"),
    **dict.fromkeys(("created", "started", "finished"), "datetime64[us, UTC]"),
    **dict.fromkeys((*AXES, "cell", "attacker", "labels", "attack", "role", "access", "status", "error"), "str"),
    **dict.fromkeys(("measure", "method", "flag", "traceback", "label", "kind", "spec", "identity", "fit"), "str"),
    "batch_size": "Int64",
}


def results(store: Store) -> pd.DataFrame:
    """One row per measure of every cell whose last attempt is done.

    Columns: cell (key), the six axes in their short spelling, attacker, labels, seed, samples, attack, role, access,
    measure, value, low, high, n_member, n_nonmember, method, flag, queries and nfe (per sample), seconds, peak_mb,
    fit (how images were fitted to the victim: ``exact``, the rule in words, or empty where it was not noted), run (id),
    created (UTC).
    """
    numbers = ("measure", "value", "low", "high", "n_member", "n_nonmember", "method", "flag")
    columns = [
        *(getattr(Result, name) for name in numbers),
        *(getattr(Attempt, name) for name in (*COST, "fit")),
        Attempt.run_id.label("run"),
        Attempt.created,
    ]
    statement = _cells(columns).join(Result, Result.attempt_id == Attempt.id).where(Attempt.status == "done")
    return _frame(store, statement.order_by(Attempt.id, Result.measure), spell=AXES)


def cells(store: Store) -> pd.DataFrame:
    """One row per tried cell and its last attempt.

    Columns: cell (key), the axes as in `results`, status, error, seconds, queries, nfe, peak_mb, n_calibration,
    n_evaluation, scores_key, batch_size, fit, run (id), created (UTC).
    """
    names = ("status", "error", "seconds", "queries", "nfe", "peak_mb", "n_calibration", "n_evaluation", "scores_key")
    columns = [
        *(getattr(Attempt, name) for name in (*names, "batch_size", "fit")),
        Attempt.run_id.label("run"),
        Attempt.created,
    ]
    return _frame(store, _cells(columns).order_by(Attempt.id), spell=AXES)


def components(store: Store) -> pd.DataFrame:
    """One row per plugin with parameters: kind, label, spec, identity, info (a dict)."""
    others = (Component.spec, Component.identity, Component.info)
    statement = select(Component.kind, Component.id.label("label"), *others).order_by(Component.kind, Component.id)
    return _frame(store, statement, spell=("label",))


def runs(store: Store) -> pd.DataFrame:
    """One row per run, oldest first, with all that was noted about it (provenance is a dict)."""
    return _frame(store, select(*Run.__table__.columns).order_by(Run.started, Run.id))


def tasks(store: Store) -> pd.DataFrame:
    """One row per task, oldest first."""
    columns = [column for column in Task.__table__.columns if column.name != "run_id"]
    return _frame(store, select(*columns, Task.run_id.label("run")).order_by(Task.created, Task.id))


def failures(store: Store) -> pd.DataFrame:
    """Cells whose last attempt gave no result, grouped by status and error, most frequent first.

    Columns: status, error, count, cell (key of the first one), axes (its spelling), traceback (of the first one).
    """
    import pandas as pd

    columns = [Attempt.status, Attempt.error, Attempt.traceback]
    frame = _frame(store, _cells(columns).where(Attempt.status != "done").order_by(Attempt.id), spell=AXES)
    axes = pd.Series([" ".join(map(str, row)) for row in frame[list(AXES)].itertuples(index=False)], dtype="str")
    groups = frame.assign(axes=axes).groupby(["status", "error"], observed=True, sort=False)
    grouped = groups.agg(
        count=("cell", "size"), cell=("cell", "first"), axes=("axes", "first"), traceback=("traceback", "first")
    ).reset_index()
    return grouped.sort_values("count", ascending=False, kind="stable", ignore_index=True)


def _cells(columns: Sequence[Any]) -> Select[Any]:
    """Cells joined with their last attempt, the axes as component ids (`_frame` spells them)."""
    axes = [getattr(Cell, f"{axis}_id").label(axis) for axis in AXES]
    others = [getattr(Cell, name) for name in GRID if name not in AXES]
    statement = select(Cell.key.label("cell"), *axes, *others, *columns)
    return statement.join(Attempt, Attempt.cell_key == Cell.key).where(Attempt.id.in_(last_attempts()))


def _labels(connection: Connection) -> dict[int, str]:
    """Short spelling by component id.

    Two components of one spelling differ in code or files; the newest keeps the plain label and the
    others show the start of their identity, so no table mixes them up.
    """
    twin = aliased(Component)
    newest = (
        select(func.max(twin.id)).where(twin.kind == Component.kind, twin.label == Component.label).scalar_subquery()
    )
    rows = connection.execute(select(Component.id, Component.label, Component.identity, newest))
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
    return frame.astype({column: _TYPES[column] for column in frame if column in _TYPES})
