"""Which measures made the numbers of an attempt, one by one; empty for those made before, which are measured again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A key for each measure in the place of one for all."""
    op.add_column("attempt", sa.Column("measured_by", sa.JSON, nullable=False, server_default=sa.text("'{}'")))
    op.drop_column("attempt", "measures_key")
