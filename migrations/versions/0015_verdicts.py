"""What a judge said of sampled records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Utc

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "verdicts",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("record", sa.String(length=256), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "record", name=op.f("pk_verdicts")),
        comment="what a judge said of records sampled from traffic; people's labels win over it",
    )


def downgrade() -> None:
    """Forget it."""
    op.drop_table("verdicts")
