"""Sessions of the users of an OpenID Connect provider."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the user, whom no token begins."""
    with op.batch_alter_table("sessions") as table:
        table.alter_column("token_hash", existing_type=sa.String(64), nullable=True)
        table.add_column(sa.Column("user_name", sa.String(128)))
        table.add_column(sa.Column("user_groups", Json))


def downgrade() -> None:
    """End the sessions of such users, and drop their columns."""
    op.execute("DELETE FROM sessions WHERE token_hash IS NULL")
    with op.batch_alter_table("sessions") as table:
        table.drop_column("user_groups")
        table.drop_column("user_name")
        table.alter_column("token_hash", existing_type=sa.String(64), nullable=False)
