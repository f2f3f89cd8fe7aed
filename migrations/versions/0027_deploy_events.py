"""Deploy events are stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Utc

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their table."""
    op.create_table(
        "deploy_events",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("monitor", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", Utc, nullable=False),
        sa.Column("version", sa.String(256), nullable=False),
        sa.Column("commit", sa.String(64), nullable=False),
        sa.Column("author", sa.String(128), nullable=False),
        sa.Column("link", sa.String(512), nullable=False),
        sa.Column("reported_at", Utc, nullable=False),
        comment="what was deployed, as people and CI report it",
    )
    op.create_index("ix_deploy_events_monitor_at", "deploy_events", ["monitor", "at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("deploy_events")
