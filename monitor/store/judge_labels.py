"""Verdicts of a judge on records sampled from traffic, by the id of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.store import buckets
from monitor.store.database import now, upsert
from monitor.store.tables import verdicts

AT_ONCE = 500
LONGEST_ID = 128
"""Maximum characters of a record's id."""
RETENTION = timedelta(days=100)
"""Retention of verdicts; longer than the look-back of baselines and labels."""
GOOD = 0.5
"""Minimum score of a good answer."""


def save_verdicts(
    connection: Connection, monitor: str, new_verdicts: Mapping[str, float], start: datetime, end: datetime
) -> None:
    """Store the judge's scores by record (0 to 1, higher is better), and mark the buckets of their range as stale.

    A later score replaces an earlier one.
    """
    at = now(connection)
    rows = [{"monitor": monitor, "record": record, "score": score, "at": at} for record, score in new_verdicts.items()]
    upsert(connection, verdicts, rows, replace=("score", "at"))
    if rows:
        buckets.mark_stale(connection, monitor, sorted(buckets.finished_starts(connection, monitor, start, end)))


def delete_expired(connection: Connection, at: datetime) -> int:
    """Delete the expired verdicts of all monitors; return their number."""
    return connection.execute(sa.delete(verdicts).where(verdicts.c.at < at - RETENTION)).rowcount


def load_verdicts(connection: Connection, monitor: str, records: Sequence[str]) -> dict[str, float]:
    """Return the verdicts on those records that have one: 1 is bad, 0 is good."""
    verdicts_by_record: dict[str, float] = {}
    keys = list({record[:LONGEST_ID] for record in records})
    for place in range(0, len(keys), AT_ONCE):
        query = sa.select(verdicts.c.record, verdicts.c.score).where(
            verdicts.c.monitor == monitor, verdicts.c.record.in_(keys[place : place + AT_ONCE])
        )
        verdicts_by_record.update((row.record, float(row.score < GOOD)) for row in connection.execute(query))
    return {
        record: verdicts_by_record[record[:LONGEST_ID]]
        for record in records
        if record[:LONGEST_ID] in verdicts_by_record
    }
