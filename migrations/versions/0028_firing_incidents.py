"""Firing incidents of all monitors are counted in every bucket."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index that the count reads alone."""
    op.create_index("ix_incidents_state_monitor_fired_at", "incidents", ["state", "monitor", "fired_at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_incidents_state_monitor_fired_at", "incidents")
