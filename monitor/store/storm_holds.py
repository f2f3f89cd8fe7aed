"""Hold an automatic effect that is about to be sent while most monitors fire."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.actions.restraints import describe_storm
from monitor.core.action import DESTRUCTIVE
from monitor.store import outbox
from monitor.store.effect_notices import save_hold_notice
from monitor.store.firing import load_firing
from monitor.store.resolutions import load_approvers
from monitor.store.rows import ActionRow
from monitor.store.tables import incidents


def hold_in_storm(connection: Connection, claimed: ActionRow, at: datetime) -> bool:
    """Let a leased effect wait for approval, and say so, if most monitors fire by now; return whether it does.

    What a person has approved is sent.
    """
    if claimed.kind not in DESTRUCTIVE or claimed.mode != "auto" or load_approvers(connection, claimed.id):
        return False
    opened_at = connection.execute(
        sa.select(incidents.c.opened_at).where(incidents.c.id == claimed.incident)
    ).scalar_one_or_none()
    storm = describe_storm(load_firing(connection), claimed.monitor, opened_at, at) if opened_at else None
    if storm is None:
        return False
    outbox.record(connection, claimed, state="awaiting_approval", reason=storm, attempts=claimed.attempts - 1)
    save_hold_notice(connection, claimed, storm, at)
    return True
