"""What calibration samples chose of an attack that leaves something open."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nothing was left open before."""
    op.add_column("attempt", sa.Column("chosen", sa.Text, nullable=False, server_default=sa.text("''")))
