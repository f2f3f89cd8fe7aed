"""The spine: buckets, baselines, findings, incidents, actions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json, Utc

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "actions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("incident", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("not_after", Utc(), nullable=True),
        sa.Column("next_attempt_at", Utc(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", Utc(), nullable=True),
        sa.Column("receipt", Json, nullable=True),
        sa.Column("finished_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actions")),
        comment="the outbox: intended outside effects, each with one identity for ever",
    )
    op.create_index(op.f("ix_actions_incident"), "actions", ["incident"], unique=False)
    op.create_index(op.f("ix_actions_state_next_attempt_at"), "actions", ["state", "next_attempt_at"], unique=False)
    op.create_table(
        "baselines",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("definition", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("layout", sa.String(length=32), nullable=False),
        sa.Column("start", Utc(), nullable=True),
        sa.Column("end", Utc(), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("layouts", sa.LargeBinary(), nullable=False),
        sa.Column("profiles", sa.LargeBinary(), nullable=True),
        sa.Column("facts", Json, nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_baselines")),
    )
    op.create_index(op.f("ix_baselines_monitor"), "baselines", ["monitor"], unique=False)
    op.create_table(
        "buckets",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("start", Utc(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", Utc(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.String(length=512), nullable=True),
        sa.Column("source_rows", sa.Integer(), nullable=True),
        sa.Column("source_labels", sa.Integer(), nullable=True),
        sa.Column("source_feedback", sa.Integer(), nullable=True),
        sa.Column("audits", sa.Integer(), nullable=False),
        sa.Column("layout", sa.String(length=32), nullable=True),
        sa.Column("facts", Json, nullable=True),
        sa.Column("profiles", sa.LargeBinary(), nullable=True),
        sa.Column("finished_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("monitor", "start", name=op.f("pk_buckets")),
        comment="one row a bucket: who works on it, how it ended, its profiles",
    )
    op.create_index(op.f("ix_buckets_monitor_state_start"), "buckets", ["monitor", "state", "start"], unique=False)
    op.create_table(
        "changes",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("column", sa.String(length=128), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.Column("first_seen", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "kind", "column", "value", name=op.f("pk_changes")),
        comment="first sights: what an incident may have been caused by",
    )
    op.create_index(op.f("ix_changes_first_seen"), "changes", ["first_seen"], unique=False)
    op.create_table(
        "findings",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("start", Utc(), nullable=False),
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("check", sa.String(length=32), nullable=False),
        sa.Column("column", sa.String(length=128), nullable=True),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("segment", sa.String(length=256), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.Column("statistic", sa.Float(), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.Column("p_value", sa.Float(), nullable=True),
        sa.Column("n_baseline", sa.Integer(), nullable=False),
        sa.Column("n_window", sa.Integer(), nullable=False),
        sa.Column("about", sa.String(length=8), nullable=False),
        sa.Column("unit", sa.String(length=32), nullable=False),
        sa.Column("detail", Json, nullable=True),
        sa.PrimaryKeyConstraint("monitor", "start", "key", name=op.f("pk_findings")),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("rule", sa.String(length=128), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("opened_at", Utc(), nullable=False),
        sa.Column("fired_at", Utc(), nullable=True),
        sa.Column("resolved_at", Utc(), nullable=True),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.Column("notified_at", Utc(), nullable=True),
        sa.Column("bad", sa.Integer(), nullable=False),
        sa.Column("clean", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.Column("evidence", Json, nullable=False),
        sa.Column("suspected_change", Json, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index(op.f("ix_incidents_monitor_state"), "incidents", ["monitor", "state"], unique=False)
    op.create_table(
        "silences",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("rule", sa.String(length=128), nullable=False),
        sa.Column("starts_at", Utc(), nullable=False),
        sa.Column("ends_at", Utc(), nullable=False),
        sa.Column("comment", sa.String(length=256), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    op.create_table(
        "spans",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("start", Utc(), nullable=False),
        sa.Column("end", Utc(), nullable=True),
        sa.Column("next", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "kind", "start", name=op.f("pk_spans")),
        comment="stretches of time whose buckets must each end as done, inconclusive or failed",
    )
    op.create_table(
        "transitions",
        sa.Column("incident", sa.String(length=36), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.PrimaryKeyConstraint("incident", "at", "state", name=op.f("pk_transitions")),
    )
    op.create_table(
        "versions",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.Column("first_seen", Utc(), nullable=False),
        sa.Column("last_seen", Utc(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "role", "value", name=op.f("pk_versions")),
        comment="traffic of each model and prompt version: what may be rolled back to",
    )
    op.create_table(
        "watches",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("config", sa.String(length=32), nullable=False),
        sa.Column("seen_at", Utc(), nullable=False),
        sa.Column("error", sa.String(length=512), nullable=True),
        sa.Column("error_since", Utc(), nullable=True),
        sa.Column("source_time", Utc(), nullable=True),
        sa.Column("newest", Utc(), nullable=True),
        sa.Column("late_rows", sa.Integer(), nullable=False),
        sa.Column("columns", Json, nullable=True),
        sa.PrimaryKeyConstraint("monitor", name=op.f("pk_watches")),
        comment="what is known of each monitor as a whole",
    )


def downgrade() -> None:
    """Drop every table."""
    op.drop_table("watches")
    op.drop_table("versions")
    op.drop_table("transitions")
    op.drop_table("spans")
    op.drop_table("silences")
    op.drop_index(op.f("ix_incidents_monitor_state"), table_name="incidents")
    op.drop_table("incidents")
    op.drop_table("findings")
    op.drop_index(op.f("ix_changes_first_seen"), table_name="changes")
    op.drop_table("changes")
    op.drop_index(op.f("ix_buckets_monitor_state_start"), table_name="buckets")
    op.drop_table("buckets")
    op.drop_index(op.f("ix_baselines_monitor"), table_name="baselines")
    op.drop_table("baselines")
    op.drop_index(op.f("ix_actions_state_next_attempt_at"), table_name="actions")
    op.drop_index(op.f("ix_actions_incident"), table_name="actions")
    op.drop_table("actions")
