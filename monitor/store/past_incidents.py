"""Past incidents that are like one, and what ended them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.alerting.similar_incidents import find_similar
from monitor.core.action import DESTRUCTIVE
from monitor.core.incident import Incident
from monitor.store import reads
from monitor.store.rows import read_all
from monitor.store.tables import incidents

MOST_PAST = 200


@dataclass(frozen=True)
class PastIncident:
    """A past incident, and the effects that were delivered while it fired."""

    incident: Incident
    effects: Sequence[str]

    @property
    def lasted(self) -> timedelta | None:
        """Return the time from its announcement to its resolution."""
        one = self.incident
        return one.resolved_at - one.fired_at if one.resolved_at and one.fired_at else None


def load_similar(connection: Connection, incident: Incident) -> list[PastIncident]:
    """Return the past incidents of the monitor that are most like one, with the effects that were delivered."""
    query = (
        sa.select(incidents)
        .where(incidents.c.monitor == incident.monitor, incidents.c.state == "resolved")
        .order_by(incidents.c.opened_at.desc())
        .limit(MOST_PAST)
    )
    past = find_similar(incident, read_all(connection, Incident, query))
    return [PastIncident(one, _delivered_effects(connection, one)) for one in past]


def _delivered_effects(connection: Connection, incident: Incident) -> list[str]:
    rows = reads.action_rows(connection, incident=incident.id)
    return [
        f"{row.kind} by {row.name}" for row in reversed(rows) if row.kind in DESTRUCTIVE and row.state == "delivered"
    ]
