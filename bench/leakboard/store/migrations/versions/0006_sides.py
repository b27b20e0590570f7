"""How many members and how many non-members a cell was to use, in the place of one number for both."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rename the one number, and copy it."""
    op.execute("ALTER TABLE cell RENAME COLUMN samples TO members")
    op.add_column("cell", sa.Column("nonmembers", sa.Integer, nullable=False, server_default=sa.text("0")))
    op.execute("UPDATE cell SET nonmembers = members")
