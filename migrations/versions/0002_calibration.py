"""Calibrated thresholds, seasonal references, and false discovery rates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a baseline knows of its own noise, and what a finding is worth among many."""
    op.add_column("baselines", sa.Column("calibrated", sa.String(length=32), nullable=True))
    op.add_column("baselines", sa.Column("calibration", Json, nullable=True))
    op.add_column("baselines", sa.Column("slots", sa.LargeBinary(), nullable=True))
    op.add_column("findings", sa.Column("q_value", sa.Float(), nullable=True))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("findings", "q_value")
    op.drop_column("baselines", "slots")
    op.drop_column("baselines", "calibration")
    op.drop_column("baselines", "calibrated")
