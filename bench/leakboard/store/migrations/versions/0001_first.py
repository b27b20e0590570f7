"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables in an empty database, and mark it as ours."""
    meta = op.create_table("meta", _key(), _text("value"))
    op.create_table(
        "run",
        _id(),
        sa.Column("uid", sa.Text, nullable=False, unique=True),
        _time("started"),
        sa.Column("finished", sa.DateTime(timezone=True)),
        *(_text(name) for name in ("status", "grid_name", "grid_text", "command")),
        sa.Column("provenance", sa.JSON, nullable=False),
        _text("host"),
        _integer("pid"),
        _text("boot_id"),
    )
    op.create_table(
        "component",
        _id(),
        *(_text(name) for name in ("kind", "spec", "label", "identity")),
        sa.Column("info", sa.JSON, nullable=False),
        sa.UniqueConstraint("kind", "identity"),
    )
    op.create_table(
        "cell",
        _key(),
        *(
            _refers(f"{axis}_id", "component.id")
            for axis in ("dataset", "victim", "defense", "observer", "distance", "classifier")
        ),
        _text("attacker"),
        _text("labels"),
        sa.Column("seed", sa.BigInteger, nullable=False),
        _integer("samples"),
        *(_text(name) for name in ("attack", "role", "access")),
    )
    op.create_table(
        "attempt",
        _id(),
        sa.Column("cell_key", sa.Text, sa.ForeignKey("cell.key"), nullable=False),
        _refers("run_id", "run.id"),
        _text("status"),
        _time("created"),
        *(sa.Column(name, sa.Double) for name in ("seconds", "queries", "nfe", "peak_mb")),
        _text("error"),
        _text("traceback"),
        _integer("n_calibration"),
        _integer("n_evaluation"),
        sa.Column("scores_key", sa.Text),
        sa.Column("batch_size", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "result",
        sa.Column("attempt_id", sa.Integer, sa.ForeignKey("attempt.id"), primary_key=True),
        sa.Column("measure", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Double) for name in ("value", "low", "high")),
        _integer("n_member"),
        _integer("n_nonmember"),
        _text("method"),
        _text("flag"),
    )
    op.create_table(
        "artifact",
        _key(),
        _text("kind"),
        _text("digest"),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        _time("created"),
        _refers("run_id", "run.id"),
    )
    op.create_table(
        "task",
        _id(),
        _refers("run_id", "run.id"),
        *(_text(name) for name in ("kind", "label", "victim", "dataset", "status")),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("nfe", sa.Double, nullable=False),
        _integer("samples"),
        _integer("cells"),
        _time("created"),
        _text("error"),
    )
    op.create_index("ix_attempt_cell_key_created", "attempt", ["cell_key", "created"])
    op.create_index("ix_attempt_run_id", "attempt", ["run_id"])
    op.create_index("ix_artifact_kind", "artifact", ["kind"])
    op.create_index("ix_task_run_id", "task", ["run_id"])
    op.bulk_insert(meta, [{"key": "format", "value": "leakboard"}])


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _key() -> sa.Column[str]:
    return sa.Column("key", sa.Text, primary_key=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _refers(name: str, target: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, sa.ForeignKey(target), nullable=False)
