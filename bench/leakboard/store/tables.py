"""The tables, as SQLAlchemy models. A change here needs a migration and the same field in `leakboard.store.rows`.

Tests compare the three; frames, merging and exports take their columns from here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Utc(TypeDecorator[datetime]):
    """A moment in UTC; SQLite keeps no zone, so it is put back when read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002, D102 - SQLAlchemy's
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002, D102 - SQLAlchemy's
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables share names for constraints, since an unnamed constraint cannot be migrated."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {str: Text, float: Double, datetime: Utc, dict[str, Any]: JSON}


class MetaTable(Base):
    """Facts about the store itself."""

    __tablename__ = "meta"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class RunTable(Base):
    """One invocation of a grid."""

    __tablename__ = "run"
    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(unique=True)
    started: Mapped[datetime]
    finished: Mapped[datetime | None]
    status: Mapped[str]
    grid_name: Mapped[str]
    grid_text: Mapped[str]
    command: Mapped[str]
    provenance: Mapped[dict[str, Any]]
    host: Mapped[str]
    pid: Mapped[int]
    boot_id: Mapped[str]


class ComponentTable(Base):
    """One plugin with its parameters."""

    __tablename__ = "component"
    __table_args__ = (UniqueConstraint("kind", "identity"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    spec: Mapped[str]
    label: Mapped[str]
    identity: Mapped[str]
    info: Mapped[dict[str, Any]]


class CellTable(Base):
    """One point of the grid."""

    __tablename__ = "cell"
    key: Mapped[str] = mapped_column(primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("component.id"))
    victim_id: Mapped[int] = mapped_column(ForeignKey("component.id"))
    defense_id: Mapped[int] = mapped_column(ForeignKey("component.id"))
    observer_id: Mapped[int] = mapped_column(ForeignKey("component.id"))
    distance_id: Mapped[int] = mapped_column(ForeignKey("component.id"))
    classifier_id: Mapped[int] = mapped_column(ForeignKey("component.id"))
    attacker: Mapped[str]
    labels: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    members: Mapped[int]
    nonmembers: Mapped[int] = mapped_column(server_default=text("0"))
    attack: Mapped[str]
    role: Mapped[str]
    access: Mapped[str]


class AttemptTable(Base):
    """One try at a cell; rows are only ever added."""

    __tablename__ = "attempt"
    __table_args__ = (
        Index(None, "cell_key", "created"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    cell_key: Mapped[str] = mapped_column(ForeignKey("cell.key"))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    status: Mapped[str]
    created: Mapped[datetime]
    seconds: Mapped[float | None]
    queries: Mapped[float | None]
    nfe: Mapped[float | None]
    peak_mb: Mapped[float | None]
    error: Mapped[str]
    traceback: Mapped[str]
    n_calibration: Mapped[int]
    n_evaluation: Mapped[int]
    scores_key: Mapped[str | None]
    batch_size: Mapped[int | None]
    fit: Mapped[str] = mapped_column(server_default=text("''"))
    note: Mapped[str] = mapped_column(server_default=text("''"))
    measured_by: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    bypass: Mapped[str] = mapped_column(server_default=text("''"))
    calibration_auc: Mapped[float | None]
    chosen: Mapped[str] = mapped_column(server_default=text("''"))


class ResultTable(Base):
    """One number of one attempt. SQLite keeps NaN as NULL, hence the nullable value."""

    __tablename__ = "result"
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    measure: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float | None]
    low: Mapped[float | None]
    high: Mapped[float | None]
    n_member: Mapped[int]
    n_nonmember: Mapped[int]
    method: Mapped[str]
    flag: Mapped[str]


class ArtifactTable(Base):
    """One payload file beside the store."""

    __tablename__ = "artifact"
    key: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(index=True)
    digest: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    created: Mapped[datetime]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))


class TaskTable(Base):
    """One finished piece of a run."""

    __tablename__ = "task"
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    kind: Mapped[str]
    label: Mapped[str]
    victim: Mapped[str]
    dataset: Mapped[str]
    status: Mapped[str]
    seconds: Mapped[float]
    nfe: Mapped[float]
    samples: Mapped[int]
    cells: Mapped[int]
    created: Mapped[datetime]
    error: Mapped[str]


class LeaseTable(Base):
    """A piece of work that a run holds for now, where several share a store; ``expires`` in seconds since the epoch."""

    __tablename__ = "lease"
    key: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    expires: Mapped[float]
    label: Mapped[str]
