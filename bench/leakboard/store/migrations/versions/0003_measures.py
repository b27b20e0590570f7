"""By which measures an attempt was measured, and what a reader must know of it; empty for those made before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    for name in ("note", "measures_key"):
        op.add_column("attempt", sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''")))
