"""Records of unserved arms are counted apart from those of served traffic."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add their count, and whether a stale bucket is a recount of its comparisons."""
    op.add_column("buckets", sa.Column("source_compared", sa.Integer))
    op.add_column("buckets", sa.Column("recount", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("buckets", "recount")
    op.drop_column("buckets", "source_compared")
