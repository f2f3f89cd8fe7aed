"""What every bucket counted toward the objectives."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Utc

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the counts that burn rates are made of."""
    op.create_table(
        "objectives",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("signal", sa.String(length=63), nullable=False),
        sa.Column("start", Utc(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("bad", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "signal", "start", name="pk_objectives"),
        comment="what every bucket counted toward an objective: requests that told, and bad ones",
    )


def downgrade() -> None:
    """Forget it."""
    op.drop_table("objectives")
