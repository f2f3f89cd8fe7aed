"""The registry of prompts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json, Utc

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add versions of prompts, and the names that people give them."""
    op.create_table(
        "prompts",
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.Column("description", sa.String(length=512), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=False),
        sa.Column("author", sa.String(length=128), nullable=False),
        sa.Column("committed_at", Utc(), nullable=True),
        sa.Column("dirty", sa.Boolean(), nullable=False),
        sa.Column("pushed_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name="pk_prompts"),
        comment="every version of every prompt that was pushed; none is ever changed",
    )
    op.create_index("ix_prompts_hash", "prompts", ["hash"])
    op.create_table(
        "prompt_tags",
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("tag", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tagged_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("name", "tag", name="pk_prompt_tags"),
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("prompt_tags")
    op.drop_index("ix_prompts_hash", table_name="prompts")
    op.drop_table("prompts")
