"""What people do is in one audit log; the responses to incidents are moved to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json, Utc

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

AUDIT = sa.table(
    "audit",
    *(sa.column(name) for name in ("id", "incident", "operation", "result", "by", "channel", "reason")),
    sa.column("at", Utc),
    sa.column("detail", Json),
)
RESPONSES = sa.table(
    "responses",
    *(sa.column(name) for name in ("id", "incident", "kind", "by", "channel", "text", "assignee", "severity")),
    sa.column("at", Utc),
)
INCIDENTS = sa.table("incidents", sa.column("id"), sa.column("monitor"))


def upgrade() -> None:
    """Create the log and move the responses; a response of then was by someone who could do everything."""
    audit = op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", Utc, nullable=False),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("operation", sa.String(32), nullable=False),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("subject_kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("incident", sa.String(36)),
        sa.Column("monitor", sa.String(63), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", Json, nullable=False),
        comment="what people did, and what they were refused; rows are only added",
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_incident", "audit", ["incident"])
    query = (
        sa.select(RESPONSES, INCIDENTS.c.monitor)
        .join_from(RESPONSES, INCIDENTS, RESPONSES.c.incident == INCIDENTS.c.id, isouter=True)
        .order_by(RESPONSES.c.id)
    )
    rows = [_entry(row) for row in op.get_bind().execute(query).mappings()]
    if rows:
        op.bulk_insert(audit, rows)
    op.drop_table("responses")


def _entry(row: sa.RowMapping) -> dict[str, object]:
    detail = {"severity": row["severity"], **({"assignee": row["assignee"]} if row["assignee"] else {})}
    return {
        "at": row["at"],
        "by": row["by"],
        "verified": False,
        "role": "admin",
        "channel": row["channel"],
        "operation": row["kind"],
        "result": "done",
        "subject_kind": "incident",
        "subject": row["incident"],
        "incident": row["incident"],
        "monitor": row["monitor"] or "",
        "reason": row["text"],
        "detail": detail,
    }


def downgrade() -> None:
    """Move the responses back; the other entries are lost."""
    responses = op.create_table(
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
    )
    op.create_index("ix_responses_incident", "responses", ["incident"])
    moved = AUDIT.c.operation.in_(["acknowledge", "assign", "comment"]), AUDIT.c.result == "done"
    query = sa.select(AUDIT).where(*moved).order_by(AUDIT.c.id)
    rows = [
        {
            **{name: row[name] for name in ("incident", "at", "by", "channel")},
            "kind": row["operation"],
            "text": row["reason"],
            "assignee": row["detail"].get("assignee"),
            "severity": row["detail"].get("severity"),
        }
        for row in op.get_bind().execute(query).mappings()
    ]
    if rows:
        op.bulk_insert(responses, rows)
    op.drop_table("audit")
