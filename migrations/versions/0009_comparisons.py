"""What experiments and shadows have counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json, Utc

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the sums of comparisons, and what each bucket adds to them."""
    op.create_table(
        "comparisons",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("definition", sa.String(length=32), nullable=False),
        sa.Column("next", Utc(), nullable=False),
        sa.Column("total", sa.LargeBinary(), nullable=True),
        sa.Column("told", Json, nullable=False),
        sa.Column("told_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("monitor", "kind", "name", name="pk_comparisons"),
        comment="experiments and shadows: the exact sum of their buckets, and what was told last",
    )
    op.create_table(
        "tallies",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("start", Utc(), nullable=False),
        sa.Column("sums", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "kind", "name", "start", name="pk_tallies"),
        comment="what one bucket adds to a comparison; computed again, it is replaced",
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("tallies")
    op.drop_table("comparisons")
