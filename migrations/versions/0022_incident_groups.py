"""An incident has a group and the progress of several rules."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

from monitor.store.types import Json, Utc

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

BATCH = 500
NO_DATA = "no_data"
OWN_INCIDENT = frozenset(["baseline", "experiment", "shadow", "evaluation"])
"""Checks whose findings are an incident of their own rule."""


def upgrade() -> None:
    """Add both; an incident of before keeps its one rule, and its group follows from what it is about."""
    op.add_column("incidents", sa.Column("group", sa.Text(), nullable=False, server_default="traffic"))
    op.add_column("incidents", sa.Column("rules", Json, nullable=False, server_default="{}"))
    names = ("id", "rule", "state", "fired_at", "bad", "clean", "evidence", "group", "rules")
    types = {"fired_at": Utc(), "evidence": Json, "rules": Json}
    incidents = sa.table("incidents", *(sa.column(name, types.get(name)) for name in names))
    connection = op.get_bind()
    query = sa.select(incidents).order_by(incidents.c.id)
    last = ""
    while rows := connection.execute(query.where(incidents.c.id > last).limit(BATCH)).all():
        for row in rows:
            values = {"group": _group(row.rule, row.evidence or {}), "rules": _rules(row)}
            connection.execute(sa.update(incidents).where(incidents.c.id == row.id).values(**values))
        last = rows[-1].id


def downgrade() -> None:
    """Forget both."""
    op.drop_column("incidents", "rules")
    op.drop_column("incidents", "group")


def _group(rule: str, evidence: Mapping[str, Mapping[str, object]]) -> str:
    checks = {str(item["check"]) for item in evidence.values()}
    return rule if rule == NO_DATA or (checks and checks <= OWN_INCIDENT) else "traffic"


def _rules(row: sa.Row[tuple[object, ...]]) -> dict[str, dict[str, object]]:
    if row.rule == NO_DATA:
        return {}
    firing = row.state == "firing"
    return {row.rule: {"bad": row.bad, "clean": row.clean, "firing": firing, "fired": row.fired_at is not None}}
