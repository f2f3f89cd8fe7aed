"""A silence has matchers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; a silence of before has none besides its monitor and rule."""
    op.add_column("silences", sa.Column("matchers", Json, nullable=False, server_default="[]"))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("silences", "matchers")
