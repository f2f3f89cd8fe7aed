"""What every bucket cost: the truth that budgets are held against, for all replicas alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.spend.budget import Spent
from monitor.schedule import Bucket
from monitor.store.database import upsert
from monitor.store.tables import ledger


def since(
    connection: Connection, monitor: str, starts: Sequence[datetime], until: datetime
) -> Mapping[datetime, Spent]:
    """Return what was spent from each of several moments up to another."""
    if not starts:
        return {}
    columns = (ledger.c.amount, ledger.c.requests, ledger.c.unpriced)
    sums = [
        sa.func.coalesce(sa.func.sum(sa.case((ledger.c.start >= start, column), else_=0)), 0)
        for start in starts
        for column in columns
    ]
    query = sa.select(*sums).where(ledger.c.monitor == monitor, ledger.c.start >= min(starts), ledger.c.start < until)
    found = list(connection.execute(query).one())
    parts = [found[place : place + len(columns)] for place in range(0, len(found), len(columns))]
    return {
        start: Spent(float(amount), int(requests), int(unpriced))
        for start, (amount, requests, unpriced) in zip(starts, parts, strict=True)
    }


def save(connection: Connection, monitor: str, bucket: Bucket, spent: Spent) -> None:
    """Write what a bucket cost; computed again, it replaces what stood there."""
    upsert(connection, ledger, [{"monitor": monitor, "start": bucket.start, **vars(spent)}], **vars(spent))
