"""What the requests of each day would have cost otherwise."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json, Utc

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the sums of plans by day, and what was told last."""
    op.create_table(
        "savings",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("plan", sa.String(length=80), nullable=False),
        sa.Column("day", Utc(), nullable=False),
        sa.Column("definition", sa.String(length=32), nullable=False),
        sa.Column("counted_at", Utc(), nullable=False),
        sa.Column("sums", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "plan", "day", name="pk_savings"),
        comment="what the requests of a day would have cost on a plan",
    )
    op.create_table(
        "savings_told",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("told", Json, nullable=False),
        sa.PrimaryKeyConstraint("monitor", name="pk_savings_told"),
        comment="what was told of a monitor's savings last",
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("savings_told")
    op.drop_table("savings")
