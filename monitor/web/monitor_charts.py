"""The charts of a monitor: findings over time, the sparkline of its card, and the rows per bucket."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from monitor.config.models import Monitor
from monitor.core.deploy_event import DEPLOY
from monitor.store import reads
from monitor.store.deploy_events import load_events
from monitor.store.finding_history import load_points
from monitor.web import charts, formatting
from monitor.web.views import history_points

RECENT_BUCKETS = 120
LONG_BUCKETS = 840
ROUND_SPANS = [
    *(timedelta(minutes=count) for count in (5, 10, 30)),
    *(timedelta(hours=count) for count in (1, 2, 3, 6, 12)),
    *(timedelta(days=count) for count in (1, 2, 3, 7, 14, 30, 60, 90, 180, 365, 1095)),
]
SPARK_BUCKETS = 60
MOST_MARKS = 20
MOST_CHANGES = 200


def draw_spark(connection: Any, item: reads.MonitorState, monitor: Monitor) -> Markup:
    """Draw the latest values of the worst finding of a monitor as a sparkline."""
    worst = next((row for row in item.findings if row.statistic is not None), None)
    if worst is None or item.newest is None:
        return Markup("")
    end = item.newest.start + monitor.bucket
    start = end - SPARK_BUCKETS * monitor.bucket
    rows = load_points(connection, monitor.name, [worst.key], start, end)[worst.key]
    points = history_points(rows, monitor.bucket)
    return charts.sparkline(points, start=start, end=end, step=monitor.bucket, title=f"{finding_name(worst)}, recently")


def find_marks(connection: Any, monitor: Monitor, start: datetime, end: datetime) -> list[charts.Mark]:
    """Return the newest changes and deploy events within a time range."""
    versions = reads.change_rows(connection, monitor.name, MOST_CHANGES)
    changes = [*versions, *(event.change for event in load_events(connection, [monitor.name]))]
    newest = sorted(changes, key=lambda change: change.first_seen, reverse=True)
    within = [change for change in newest if start <= change.first_seen <= end]
    return [charts.Mark(change.first_seen, describe_change(change)) for change in within[:MOST_MARKS]]


def describe_change(change: Any) -> str:
    """Return what was seen first or deployed."""
    what = f"{change.column} {formatting.shorten(change.value, 60)}"
    return what if change.kind == DEPLOY else f"first seen: {what}"


def volume_chart(rows: Any, monitor: Monitor, start: datetime, end: datetime, around: Any) -> Markup:
    """Draw the rows per bucket."""
    points = [charts.Point(row.start, row.source_rows, None, describe_result(row)) for row in rows]
    return charts.bar_chart(
        points, start=start, end=end, step=monitor.bucket, title="rows per bucket", spans=incident_spans(around)
    )


def round_spans(bucket: timedelta) -> tuple[timedelta, timedelta]:
    """Return the two time ranges that a monitor's page offers, in round numbers.

    Examples
    --------
    >>> [str(span) for span in round_spans(timedelta(minutes=5))]
    ['12:00:00', '3 days, 0:00:00']
    """
    recent, long = (
        next((span for span in ROUND_SPANS if span >= count * bucket), count * bucket)
        for count in (RECENT_BUCKETS, LONG_BUCKETS)
    )
    return recent, long


def incident_spans(incidents: Any) -> list[charts.ShadedSpan]:
    """Return the time ranges of incidents that fired, as shaded spans."""
    return [
        charts.ShadedSpan(
            row.opened_at,
            row.resolved_at,
            f"incident {formatting.shorten(row.rule, 60)}: {formatting.shorten(row.reason)}",
        )
        for row in incidents
        if row.fired_at is not None
    ]


def describe_result(bucket: Any) -> str:
    """Return the result of a bucket with its reason."""
    return "done" if bucket.result == "done" else f"{bucket.result}: {formatting.shorten(bucket.reason)}"


def finding_name(finding: Any) -> str:
    """Return the name of a finding: its check, and its column if it has one."""
    return f"{finding.check} of {finding.column}" if finding.column else str(finding.check)
