"""What every bucket cost, by value of a column."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Utc

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the ledger of tenants, models and whatever else budgets are kept by."""
    op.create_table(
        "ledger_parts",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("column", sa.String(length=128), nullable=False),
        sa.Column("start", Utc(), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.Column("amount", sa.Float(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("unpriced", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "column", "start", "value", name="pk_ledger_parts"),
        comment="what every bucket cost by value of a column; their number a bucket is capped, the rest is (other)",
    )


def downgrade() -> None:
    """Forget it."""
    op.drop_table("ledger_parts")
