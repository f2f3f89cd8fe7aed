"""How every circuit breaker stands, and its transitions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json, Utc

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the breakers."""
    op.create_table(
        "breakers",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("since", Utc(), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.Column("until", Utc(), nullable=True),
        sa.Column("who", sa.String(length=128), nullable=True),
        sa.Column("held_until", Utc(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("episode", Utc(), nullable=True),
        sa.Column("as_of", Utc(), nullable=True),
        sa.Column("counts", Json, nullable=False),
        sa.PrimaryKeyConstraint("name", "value", name="pk_breakers"),
        comment="how every circuit breaker stands, for all replicas alike",
    )
    op.create_index("ix_breakers_monitor", "breakers", ["monitor"])
    op.create_table(
        "breaker_transitions",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.Column("who", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("name", "value", "number", name="pk_breaker_transitions"),
    )
    op.create_index("ix_breaker_transitions_at", "breaker_transitions", ["at"])


def downgrade() -> None:
    """Forget them."""
    op.drop_table("breaker_transitions")
    op.drop_table("breakers")
