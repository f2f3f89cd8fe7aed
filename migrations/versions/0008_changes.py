"""What people were told of an incident: each further change, with its time and reason."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the changes of an incident, and how long the present one has been seen."""
    op.add_column("incidents", sa.Column("changes", Json, nullable=False, server_default="[]"))
    op.add_column("incidents", sa.Column("moved", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("incidents", "moved")
    op.drop_column("incidents", "changes")
