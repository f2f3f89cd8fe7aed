"""The key of the hashes that stand for identifiers and personal data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Utc

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create its table; the key is made when the first value is hashed."""
    op.create_table(
        "hash_keys",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Utc, nullable=False),
        comment="the key of the hashes that stand for identifiers and personal data: one row",
    )


def downgrade() -> None:
    """Drop it; the values of earlier hashes can then not be looked up any more."""
    op.drop_table("hash_keys")
