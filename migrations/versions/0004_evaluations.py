"""Evaluations: runs of suites, and the scores of their cases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json, Utc

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "evaluations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("suite", sa.String(length=128), nullable=False),
        sa.Column("started_at", Utc(), nullable=False),
        sa.Column("finished_at", Utc(), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.Column("model", sa.String(length=256), nullable=True),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("copies", sa.Boolean(), nullable=False),
        sa.Column("compared_with", Json, nullable=False),
        sa.Column("comparisons", Json, nullable=False),
        sa.Column("spent", Json, nullable=False),
        sa.Column("accepted_by", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluations")),
        comment="runs of suites; the good ones are what the next is compared with",
    )
    op.create_index(op.f("ix_evaluations_suite_started_at"), "evaluations", ["suite", "started_at"])
    op.create_table(
        "evaluation_cases",
        sa.Column("evaluation", sa.String(length=36), nullable=False),
        sa.Column("case", sa.String(length=128), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("definition", sa.String(length=32), nullable=False),
        sa.Column("tags", Json, nullable=False),
        sa.Column("scores", Json, nullable=False),
        sa.Column("failures", Json, nullable=False),
        sa.PrimaryKeyConstraint("evaluation", "case", name=op.f("pk_evaluation_cases")),
        comment="scores of every sample of a case; what was asked and answered is not kept",
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("evaluation_cases")
    op.drop_index(op.f("ix_evaluations_suite_started_at"), table_name="evaluations")
    op.drop_table("evaluations")
