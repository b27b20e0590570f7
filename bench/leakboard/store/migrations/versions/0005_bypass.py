"""Which questions of an attempt went past a defense; empty for those made before, of which nobody knows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("attempt", sa.Column("bypass", sa.Text, nullable=False, server_default=sa.text("''")))
