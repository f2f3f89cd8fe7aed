"""What else is open in the monitor of an incident: other incidents, and circuit breakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.config.models import Monitor
from monitor.core.incident import Incident
from monitor.store import reads
from monitor.store.breakers import rows as load_breaker_rows
from monitor.store.database import Connection
from monitor.store.rows import BreakerRow
from monitor.web.natural_headline import write_title


@dataclass(frozen=True)
class Surroundings:
    """The other open incidents of a monitor with their titles, and its breakers that are not closed."""

    incidents: Sequence[tuple[Incident, str]]
    breakers: Sequence[BreakerRow]


def load_surroundings(connection: Connection, monitor: Monitor, incident: Incident) -> Surroundings:
    """Return what is open besides an incident."""
    names = [spec.name for spec in monitor.breakers]
    breakers = load_breaker_rows(connection, names) if names else []
    others = [one for one in reads.incident_rows(connection, monitor.name, only_open=True) if one.id != incident.id]
    return Surroundings(
        [(other, write_title(other)) for other in others], [one for one in breakers if one.state != "closed"]
    )
