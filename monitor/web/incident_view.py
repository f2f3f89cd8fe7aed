"""Load what the page of an incident shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.config.models import Monitor
from monitor.core.incident import Incident
from monitor.store.database import Connection
from monitor.store.distributions import ColumnDistribution, load_distributions
from monitor.store.past_incidents import PastIncident, load_similar
from monitor.web.cases import load_case
from monitor.web.incident_chart import TimeRange, chart_range, load_charts
from monitor.web.incident_surroundings import Surroundings, load_surroundings
from monitor.web.natural_headline import write_lead, write_title
from monitor.web.time_chart import TimeChart
from monitor.web.timeline import load_timeline
from monitor.web.views import IncidentView, TimelineEntry

FIRST_FINDINGS = 12
MOST_CHARTS = 4


@dataclass(frozen=True)
class IncidentPageView:
    """An incident with all sections of its page."""

    case: IncidentView
    title: str
    lead: str
    ends_at: datetime
    charts: Sequence[TimeChart]
    timeline: Sequence[TimelineEntry]
    distributions: Sequence[ColumnDistribution]
    also: Surroundings
    similar: Sequence[PastIncident]
    first: int = FIRST_FINDINGS


def load_incident_view(
    connection: Connection, monitor: Monitor, row: Incident, now: datetime, chosen: TimeRange | None = None
) -> IncidentPageView:
    """Return the view of an incident at a time, with charts of a chosen time range."""
    case = load_case(connection, monitor, row, now)
    return IncidentPageView(
        case=case,
        title=write_title(row),
        lead=write_lead(row),
        ends_at=row.resolved_at or now,
        charts=load_charts(connection, monitor, row, case.evidence, chart_range(monitor, row, chosen), MOST_CHARTS),
        timeline=load_timeline(connection, case, *chart_range(monitor, row)),
        distributions=load_distributions(connection, monitor, row),
        also=load_surroundings(connection, monitor, row),
        similar=load_similar(connection, row),
    )
