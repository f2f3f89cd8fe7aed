"""Labels that people gave outside of the source."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Utc

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "labels",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("record", sa.String(length=256), nullable=False),
        sa.Column("label", sa.String(length=256), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "record", name=op.f("pk_labels")),
        comment="labels that were imported; they win over those of the source",
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("labels")
