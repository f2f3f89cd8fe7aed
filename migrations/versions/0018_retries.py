"""Buckets are retried after a while, and an action says who delivers it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Utc

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

REASONS = ("unreachable", "timeout", "missing_column", "missing_table", "denied", "changed", "other")
"""Of a source that could not be read, which was held against its buckets."""


def upgrade() -> None:
    """Add the columns; what failed for an error of its source is owed again."""
    op.add_column("buckets", sa.Column("retries", sa.Integer(), server_default="0", nullable=False))
    op.add_column("buckets", sa.Column("next_attempt_at", Utc(), nullable=True))
    op.add_column("actions", sa.Column("owner", sa.String(length=128), nullable=True))
    buckets = sa.table("buckets", *(sa.column(name) for name in ("state", "result", "reason", "attempts", "retries")))
    of_source = sa.or_(*(buckets.c.reason.startswith(f"{reason}:", autoescape=True) for reason in REASONS))
    op.execute(
        sa.update(buckets)
        .where(buckets.c.state == "finished", buckets.c.result == "failed", of_source)
        .values(state="stale", attempts=0, retries=1)  # 1: the rows of a bucket that is retried may be gone
    )


def downgrade() -> None:
    """Forget them."""
    with op.batch_alter_table("actions") as table:
        table.drop_column("owner")
    with op.batch_alter_table("buckets") as table:
        table.drop_column("next_attempt_at")
        table.drop_column("retries")
