"""An incident has a ranked list of suspects."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the list; open incidents get it with their next bucket."""
    op.add_column("incidents", sa.Column("suspects", Json, nullable=False, server_default="[]"))


def downgrade() -> None:
    """Forget the list."""
    op.drop_column("incidents", "suspects")
