"""Queries of the web pages in addition to :mod:`monitor.store.reads`; each has a limit on its rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from monitor.checks.sensitivity import tabulate_sensitivity
from monitor.core.incident import Incident
from monitor.store import baselines
from monitor.store.database import Connection, Database, now
from monitor.store.rows import read_first
from monitor.store.tables import buckets, incidents

MOST_POINTS = 60_000
MOST_BUCKETS = 3000
"""Maximum number of buckets in the charts of an incident."""


def ping(database: Database) -> datetime:
    """Return our database's clock; the cheapest query that shows that it answers."""
    with database.read() as connection:
        return now(connection)


def incident(connection: Connection, identity: str) -> Incident | None:
    """Return one incident, or None."""
    return read_first(connection, Incident, incidents.select().where(incidents.c.id == identity))


def incidents_during(
    connection: Connection, monitor: str, start: datetime, end: datetime, most: int = 100
) -> list[Any]:
    """Return the incidents that were open within a time range, newest first."""
    query = (
        incidents.select()
        .where(incidents.c.monitor == monitor, incidents.c.opened_at < end)
        .where(incidents.c.resolved_at.is_(None) | (incidents.c.resolved_at > start))
    )
    return list(connection.execute(query.order_by(incidents.c.opened_at.desc()).limit(most)))


def baseline_notes(connection: Connection, monitor: str) -> list[str]:
    """Return the problems of the current baseline."""
    return baselines.notes(connection, monitor)


def sensitivity(connection: Connection, monitor: str) -> Any:
    """Return the smallest detectable change of each column with the current thresholds."""
    return tabulate_sensitivity(baselines.thresholds(connection, monitor), baselines.families(connection, monitor))


def usages(connection: Connection, monitor: str, starts: Sequence[datetime]) -> list[Any]:
    """Return the usage of the windows that end with the given buckets, oldest first."""
    statement = buckets.select().with_only_columns(buckets.c.start, buckets.c.usage)
    query = statement.where(
        buckets.c.monitor == monitor, buckets.c.start.in_(list(starts)), buckets.c.state == "finished"
    )
    return list(connection.execute(query.order_by(buckets.c.start)))


def volumes(connection: Connection, monitor: str, start: datetime, end: datetime) -> list[Any]:
    """Return the row count of each finished bucket within a time range, oldest first."""
    statement = buckets.select().with_only_columns(
        buckets.c.start, buckets.c.source_rows, buckets.c.result, buckets.c.reason
    )
    query = statement.where(
        buckets.c.monitor == monitor,
        buckets.c.start >= start,
        buckets.c.start < end,
        buckets.c.state == "finished",
    )
    return list(connection.execute(query.order_by(buckets.c.start).limit(MOST_POINTS)))
