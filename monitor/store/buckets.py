"""Buckets: their states (finished, stale, failed), record counts and audits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.store.database import now
from monitor.store.rows import AuditRow, columns, read_all
from monitor.store.tables import buckets, watches

_OF_MONITOR = buckets.c.monitor == sa.bindparam("monitor")
_FINISHED = sa.select(buckets.c.start).where(
    _OF_MONITOR, buckets.c.state == "finished", buckets.c.start >= sa.bindparam("since")
)
_WAITING_REASON = (
    sa.select(buckets.c.reason)
    .where(_OF_MONITOR, buckets.c.state == "claimed", buckets.c.attempts == 0)
    .where(buckets.c.next_attempt_at > sa.bindparam("moment"))
    .limit(1)
)
_RECORD_AUDIT = sa.update(buckets).where(
    buckets.c.monitor == sa.bindparam("of_monitor"),
    buckets.c.start == sa.bindparam("at_start"),
    buckets.c.state == "finished",
    buckets.c.audits == sa.bindparam("after_audits"),
)


def finished_starts(connection: Connection, monitor: str, start: datetime, end: datetime | None) -> set[datetime]:
    """Return the starts of finished buckets of a range."""
    query = _FINISHED if end is None else _FINISHED.where(buckets.c.start < end)
    return set(connection.execute(query, {"monitor": monitor, "since": start}).scalars())


Changed = Literal["bucket", "comparisons"] | None
"""What late records of a bucket change: all of it, only its comparisons, or nothing."""
OWED_AGAIN = sa.or_(buckets.c.state == "stale", sa.and_(buckets.c.state == "claimed", buckets.c.revision > 0))
"""Condition of a bucket that must be computed again or is being computed again."""
_STALE = sa.select(buckets.c.start).where(_OF_MONITOR, OWED_AGAIN)


def stale_starts(connection: Connection, monitor: str) -> list[datetime]:
    """Return the starts of buckets that must be computed again."""
    return sorted(connection.execute(_STALE, {"monitor": monitor}).scalars())


def mark_stale(connection: Connection, monitor: str, starts: Sequence[datetime]) -> int:
    """Mark finished buckets to be computed again."""
    marked = 0
    for place in range(0, len(starts), 500):
        done = connection.execute(
            sa.update(buckets)
            .where(
                buckets.c.monitor == monitor,
                buckets.c.state == "finished",
                buckets.c.start.in_(starts[place : place + 500]),
            )
            .values(state="stale", recount=False, attempts=0, retries=0, next_attempt_at=None)
        )
        marked += done.rowcount
    return marked


def retry_now(connection: Connection, monitor: str, start: datetime, end: datetime) -> None:
    """Mark the failed buckets of a range to be computed again, and end the back-off of waiting ones."""
    stretch = sa.and_(buckets.c.monitor == monitor, buckets.c.start >= start, buckets.c.start < end)
    failed = sa.and_(buckets.c.state == "finished", buckets.c.result == "failed")
    connection.execute(
        sa.update(buckets)
        .where(stretch, failed)
        .values(state="stale", recount=False, attempts=0, retries=1)  # 1: its rows may have been deleted meanwhile
    )
    connection.execute(sa.update(buckets).where(stretch).values(next_attempt_at=None))


def failed_reasons(connection: Connection, monitor: str, start: datetime, end: datetime) -> list[str]:
    """Return the reason of every failed bucket of a range, oldest first."""
    query = sa.select(buckets.c.reason).where(
        buckets.c.monitor == monitor,
        buckets.c.state == "finished",
        buckets.c.result == "failed",
        buckets.c.start >= start,
        buckets.c.start < end,
    )
    return [reason or "" for reason in connection.execute(query.order_by(buckets.c.start)).scalars()]


def is_busy(connection: Connection, monitor: str) -> bool:
    """Return whether any replica computes a bucket of a monitor, or one waits for a retry."""
    query = sa.select(buckets.c.start).where(buckets.c.monitor == monitor, buckets.c.state == "claimed")
    return connection.execute(query.limit(1)).one_or_none() is not None


def source_trouble(connection: Connection, monitor: str) -> str | None:
    """Return why a bucket waits for its source, or None."""
    return connection.execute(_WAITING_REASON, {"monitor": monitor, "moment": now(connection)}).scalar_one_or_none()


def count_records(connection: Connection, monitor: str, start: datetime, end: datetime) -> tuple[int, int]:
    """Return the newest counts of records and labels of the finished buckets of a range."""
    sums = [sa.func.coalesce(sa.func.sum(column), 0) for column in (buckets.c.source_rows, buckets.c.source_labels)]
    query = sa.select(*sums).where(
        buckets.c.monitor == monitor, buckets.c.state == "finished", buckets.c.start >= start, buckets.c.start < end
    )
    rows, labels = connection.execute(query).one()
    return int(rows), int(labels)


def logged_by_bucket(
    connection: Connection, monitor: str, start: datetime, end: datetime
) -> list[tuple[datetime, int, int]]:
    """Return start, records and labels of each finished bucket of a range, oldest first."""
    query = sa.select(
        buckets.c.start, sa.func.coalesce(buckets.c.source_rows, 0), sa.func.coalesce(buckets.c.source_labels, 0)
    ).where(
        buckets.c.monitor == monitor, buckets.c.state == "finished", buckets.c.start >= start, buckets.c.start < end
    )
    return [(at, int(rows), int(labels)) for at, rows, labels in connection.execute(query.order_by(buckets.c.start))]


def to_audit(connection: Connection, monitor: str, before: Sequence[datetime], most: int) -> list[AuditRow]:
    """Return finished buckets whose next audit is due; ``before`` gives the latest start for each audit."""
    due = sa.or_(*(sa.and_(buckets.c.audits == stage, buckets.c.start < latest) for stage, latest in enumerate(before)))
    query = (
        sa.select(*columns(buckets, AuditRow))
        .where(
            buckets.c.monitor == monitor,
            buckets.c.state == "finished",
            buckets.c.source_rows.is_not(None),
            due,
        )
        .order_by(buckets.c.start)
        .limit(most)
    )
    return read_all(connection, AuditRow, query)


def record_audit(connection: Connection, monitor: str, row: AuditRow, changed: Changed, late: int) -> None:
    """Store the result of an audit; a changed bucket is marked to be computed again, and its late rows are added."""
    values: dict[str, object] = {"audits": row.audits + 1}
    if changed:
        values |= {"state": "stale", "recount": changed == "comparisons"}
    bucket = {"of_monitor": monitor, "at_start": row.start, "after_audits": row.audits}
    done = connection.execute(_RECORD_AUDIT, {**values, **bucket})
    if done.rowcount and late:
        connection.execute(
            sa.update(watches).where(watches.c.monitor == monitor).values(late_rows=watches.c.late_rows + late)
        )
