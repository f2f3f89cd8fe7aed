"""The time ranges whose buckets a monitor computes, and the progress of each."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.core.schedule import BucketRange, advance
from monitor.store import buckets, claims
from monitor.store.database import upsert
from monitor.store.tables import spans

_OF_MONITOR = sa.select(spans).where(spans.c.monitor == sa.bindparam("monitor")).order_by(spans.c.start)
_LIVE = _OF_MONITOR.with_only_columns(spans.c.start).where(spans.c.kind == "live").limit(1)


def add_span(connection: Connection, monitor: str, kind: str, start: datetime, end: datetime | None) -> None:
    """Add a time range; adding the same range again changes nothing."""
    row = {"monitor": monitor, "kind": kind, "start": start, "end": end, "next": start}
    upsert(connection, spans, [row])


def add_backfill(connection: Connection, monitor: str, start: datetime, end: datetime) -> None:
    """Add a past range: failed buckets are retried, and waiting or orphaned ones are due at once."""
    claims.release_orphaned(connection)
    buckets.retry_now(connection, monitor, start, end)
    add_span(connection, monitor, "backfill", start, end)


def list_spans(connection: Connection, monitor: str) -> list[BucketRange]:
    """Return the time ranges of a monitor, oldest first."""
    rows = connection.execute(_OF_MONITOR, {"monitor": monitor})
    return [BucketRange(row.kind, row.start, row.end, row.next) for row in rows]


def live_since(connection: Connection, monitor: str) -> datetime | None:
    """Return the start of the live buckets of a monitor, or None if it has not started."""
    return connection.execute(_LIVE, {"monitor": monitor}).scalar_one_or_none()


def advance_span(
    connection: Connection, monitor: str, span: BucketRange, bucket: timedelta, done: set[datetime]
) -> None:
    """Store up to where a range is finished without a gap; delete a finished range."""
    reached = advance(span, bucket, done)
    where = sa.and_(spans.c.monitor == monitor, spans.c.kind == span.kind, spans.c.start == span.start)
    if span.end is not None and reached >= span.end:
        connection.execute(sa.delete(spans).where(where))
    elif reached > span.next:
        connection.execute(sa.update(spans).where(where).values(next=reached))
