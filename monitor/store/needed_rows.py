"""Which rows of a monitor are needed however old they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from monitor.config.models import Monitor
from monitor.store import baselines, incidents, reads


@dataclass(frozen=True)
class MonitorRows:
    """What of a monitor is needed at a time.

    Parameters
    ----------
    newest
        Start of its newest finished bucket.
    since
        Start of the range over which the cost of a drift is computed.
    without
        Ranges whose buckets are needed however old they are.
    """

    newest: datetime
    since: datetime
    without: list[tuple[datetime, datetime]]


def load_needed_rows(connection: Connection, monitor: Monitor, at: datetime) -> MonitorRows | None:
    """Return what of a monitor is needed; None if it has no finished bucket."""
    newest = reads.newest_bucket(connection, monitor.name)
    if newest is None:
        return None
    unresolved = incidents.open_incidents(connection, monitor.name)
    shifts = [(one.announced_at, one.announced_at + monitor.window) for one in unresolved if one.announced_at]
    opened = min((one.opened_at for one in unresolved), default=at)
    since = min(at - monitor.buckets_needed, opened - monitor.window - 2 * monitor.bucket)
    return MonitorRows(newest.start, since, [*baselines.load_ranges(connection, monitor.name), *shifts])
