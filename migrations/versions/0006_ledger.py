"""What every bucket cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Utc

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the ledger of spending."""
    op.create_table(
        "ledger",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("start", Utc(), nullable=False),
        sa.Column("amount", sa.Float(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("unpriced", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "start", name="pk_ledger"),
        comment="what every bucket cost: the truth that budgets are held against",
    )


def downgrade() -> None:
    """Forget it."""
    op.drop_table("ledger")
