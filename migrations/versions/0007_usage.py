"""What the window that ends with a bucket used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tokens, money, failures, times and load of each window."""
    op.add_column("buckets", sa.Column("usage", Json, nullable=True))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("buckets", "usage")
