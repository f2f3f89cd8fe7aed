"""Evaluations on a schedule: one replica, once an interval."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Utc

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the turns."""
    op.create_table(
        "evaluation_turns",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("begun_at", Utc(), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("lease_until", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_evaluation_turns")),
        comment="who runs which evaluation: one replica, once an interval, by the clock of this database",
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("evaluation_turns")
