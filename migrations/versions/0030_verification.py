"""Effects are verified on the traffic after them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the result, and the time from the first bad record to the request."""
    op.add_column("actions", sa.Column("reaction_seconds", sa.Float))
    op.add_column("actions", sa.Column("verification", Json))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("actions", "verification")
    op.drop_column("actions", "reaction_seconds")
