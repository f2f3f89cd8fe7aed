"""An entry of the audit log names the request that it is of, so that a repeated request is performed once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

INDEX = "ix_audit_request"


def upgrade() -> None:
    """Add the column and its unique index."""
    inspector = sa.inspect(op.get_bind())
    if "request" not in {column["name"] for column in inspector.get_columns("audit")}:
        op.add_column("audit", sa.Column("request", sa.String(64)))
    if INDEX not in {index["name"] for index in inspector.get_indexes("audit")}:
        op.create_index(INDEX, "audit", ["request"], unique=True)


def downgrade() -> None:
    """Drop both."""
    op.drop_index(INDEX, "audit")
    op.drop_column("audit", "request")
