"""A message may be sent as a part of a digest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the action that a message is sent with, and the index of recent messages of a receiver."""
    op.add_column("actions", sa.Column("digest", sa.String(36)))
    op.create_index("ix_actions_digest", "actions", ["digest"])
    op.create_index("ix_actions_name_created_at", "actions", ["name", "created_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_actions_name_created_at", "actions")
    op.drop_index("ix_actions_digest", "actions")
    op.drop_column("actions", "digest")
