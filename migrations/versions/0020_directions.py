"""Findings say whether a change is an improvement."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the direction; findings of before were taken for changes for the worse."""
    op.add_column("findings", sa.Column("direction", sa.String(length=8), server_default="worse", nullable=False))


def downgrade() -> None:
    """Take the direction away."""
    op.drop_column("findings", "direction")
