"""Fingerprints of baselines carry their version."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

BASELINES = sa.table("baselines", sa.column("definition", sa.String))


def upgrade() -> None:
    """Mark the fingerprints of version 1: the daemon, which has the configuration, takes over those that it knows."""
    marked = sa.literal("1:") + BASELINES.c.definition
    op.execute(BASELINES.update().where(~BASELINES.c.definition.contains(":")).values(definition=marked))


def downgrade() -> None:
    """Take the mark away; a baseline of another version is learnt again."""
    plain = sa.func.substr(BASELINES.c.definition, 3)
    op.execute(BASELINES.update().where(BASELINES.c.definition.startswith("1:")).values(definition=plain))
