"""How images were fitted to the victim, with every attempt; empty for those made before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("attempt", sa.Column("fit", sa.Text, nullable=False, server_default=sa.text("''")))
