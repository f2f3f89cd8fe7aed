"""Load which monitors fire at the same time."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.core.firing import FiringMonitors
from monitor.store.database import now
from monitor.store.tables import incidents, watches

WATCHED_FOR = timedelta(days=1)
"""A monitor that ran within this time counts as watched; one that was removed from the configuration does not."""
_FIRING = (
    sa.select(incidents.c.monitor, sa.func.max(incidents.c.fired_at).label("fired_at"), sa.func.count().label("number"))
    .where(incidents.c.state == "firing")
    .group_by(incidents.c.monitor)
)
_WATCHED = sa.select(sa.func.count()).select_from(watches).where(watches.c.seen_at >= sa.bindparam("since"))


def load_firing(connection: Connection) -> FiringMonitors:
    """Return the monitors with a firing incident, and how many monitors run."""
    rows = [row for row in connection.execute(_FIRING) if row.fired_at is not None]
    watched = connection.execute(_WATCHED, {"since": now(connection) - WATCHED_FOR}).scalar_one()
    return FiringMonitors({row.monitor: row.fired_at for row in rows}, sum(row.number for row in rows), watched)
