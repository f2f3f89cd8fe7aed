"""People respond to incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Utc

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the log of responses."""
    op.create_table(
        "responses",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("incident", sa.String(36), nullable=False),
        sa.Column("at", Utc, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("assignee", sa.String(128)),
        sa.Column("severity", sa.String(16)),
        comment="what people did about incidents: acknowledged, assigned, commented; rows are only added",
    )
    op.create_index("ix_responses_incident", "responses", ["incident"])


def downgrade() -> None:
    """Forget them."""
    op.drop_table("responses")
