"""By what the attack that is reported is chosen: its AUC on calibration samples."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; attempts that were made before do not know it."""
    op.add_column("attempt", sa.Column("calibration_auc", sa.Double))
