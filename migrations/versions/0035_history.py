"""History of findings, sums of older buckets, and the sizes of the store."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Utc

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their tables; the job for retention moves the rows of older buckets into them."""
    op.create_table(
        "finding_history",
        sa.Column("monitor", sa.String(63), primary_key=True),
        sa.Column("length", sa.Integer, primary_key=True),
        sa.Column("start", Utc, primary_key=True),
        sa.Column("points", sa.LargeBinary, nullable=False),
        sa.Column("states", sa.LargeBinary),
        comment="statistics of the findings of older buckets, by hour and day",
    )
    op.create_table(
        "rollups",
        sa.Column("monitor", sa.String(63), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("length", sa.Integer, primary_key=True),
        sa.Column("start", Utc, primary_key=True),
        sa.Column("definition", sa.String(32), primary_key=True),
        sa.Column("buckets", sa.LargeBinary, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        comment="sums of the aggregates of older buckets, by hour and day",
    )
    op.create_table(
        "store_sizes",
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("measured_at", Utc, nullable=False),
        comment="bytes of the rows of each kind, with indexes",
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("store_sizes", "rollups", "finding_history"):
        op.drop_table(table)
