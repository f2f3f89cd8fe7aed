"""Convert database rows to the views that the templates show. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from monitor.alerting.muting import Muting
from monitor.alerting.responses import is_acknowledged, summarize_responses
from monitor.config.models import Monitor
from monitor.core.incident import Incident
from monitor.core.incident_response import IncidentResponse
from monitor.core.matchers import Silence
from monitor.metrics.monitor_status import ORDER, monitor_status
from monitor.store.reads import MonitorState
from monitor.web.charts import Point
from monitor.web.evidence_view import rank_evidence
from monitor.web.formatting import parse_moment
from monitor.web.natural_headline import write_title

SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True)
class MonitorRow:
    """A monitor on the home page."""

    name: str
    state: str
    order: int
    detail: str
    newest: Any
    bucket: timedelta
    lag_from: datetime | None
    baseline: Any
    worst: Any
    drifted: int
    spark: Markup


@dataclass(frozen=True)
class IncidentView:
    """An incident with its evidence and actions."""

    row: Any
    headline: str
    evidence: Sequence[Mapping[str, Any]]
    suspect: Mapping[str, Any] | None
    suspect_seen: datetime | None
    actions: Sequence[Any]
    waiting: Sequence[Any]
    mute: str | None
    responses: Sequence[IncidentResponse]
    assignee: str | None
    acknowledged_by: str | None


@dataclass(frozen=True)
class TimelineEntry:
    """Something that happened.

    Parameters
    ----------
    kind
        `pending`, `firing`, `resolved`, `change`, `message`, `effect`, `verification` or `response`.
    note
        Further text.
    """

    at: datetime
    kind: str
    text: str
    note: str = ""


def make_row(item: MonitorState, monitor: Monitor, at: datetime, spark: Markup) -> MonitorRow:
    """Return one monitor's row; ``at`` is our database's clock."""
    status = monitor_status(item, monitor.bucket, at)
    return MonitorRow(
        name=item.name,
        state=status.state,
        order=ORDER.index(status.state),
        detail=status.detail,
        newest=item.newest,
        bucket=monitor.bucket,
        lag_from=item.newest.start + monitor.bucket if item.newest else None,
        baseline=item.baseline,
        worst=next((row for row in item.findings if row.statistic is not None), None),
        drifted=item.drifted,
        spark=spark,
    )


def make_case(
    monitor: Monitor,
    row: Incident,
    actions: Sequence[Any],
    silences: Sequence[Silence],
    responses: Sequence[IncidentResponse],
    now: datetime,
) -> IncidentView:
    """Return the view of one incident."""
    handling = summarize_responses(responses)
    suspect = row.suspected_change
    open_now = row.state != "resolved"
    return IncidentView(
        row=row,
        headline=f"{monitor.name}: {write_title(row)}",
        evidence=rank_evidence(row.evidence),
        suspect=suspect,
        suspect_seen=parse_moment(suspect["first_seen"]) if suspect else None,
        actions=actions,
        waiting=[action for action in actions if open_now and can_approve(action, now)],
        mute=Muting(monitor, silences, now).explain_incident(row) if open_now else None,
        responses=responses,
        assignee=handling.assignee,
        acknowledged_by=handling.acknowledged_by if open_now and is_acknowledged(row, handling) else None,
    )


def can_approve(action: Any, now: datetime) -> bool:
    """Return whether an approval would still send an action."""
    in_time = action.not_after is None or now <= action.not_after
    return bool(action.state == "awaiting_approval" and in_time)


def history_points(rows: Sequence[Any], bucket: timedelta) -> list[Point]:
    """Return a finding's history as points; a window is at its end."""
    return [Point(row.start + bucket, row.statistic, row.threshold, row.status) for row in rows]


def rank(cases: Sequence[IncidentView]) -> list[IncidentView]:
    """Sort incidents by severity, and by time within a severity, newest first."""
    places = {name: place for place, name in enumerate(SEVERITIES)}
    newest = sorted(cases, key=lambda case: case.row.opened_at, reverse=True)
    return sorted(newest, key=lambda case: places.get(case.row.severity, len(SEVERITIES)))
