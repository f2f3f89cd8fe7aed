"""What every bucket counted toward the objectives: how many requests told, and how many were bad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.spend.objective import Events
from monitor.core.schedule import Bucket
from monitor.store.database import upsert
from monitor.store.tables import objectives


def since(
    connection: Connection, monitor: str, signal: str, starts: Sequence[datetime], until: datetime
) -> dict[datetime, Events]:
    """Return what was counted from each of several moments up to another."""
    sums = [
        sa.func.coalesce(sa.func.sum(sa.case((objectives.c.start >= start, column), else_=0)), 0)
        for start in starts
        for column in (objectives.c.total, objectives.c.bad)
    ]
    query = sa.select(*sums).where(
        objectives.c.monitor == monitor,
        objectives.c.signal == signal,
        objectives.c.start >= min(starts),
        objectives.c.start < until,
    )
    found = list(connection.execute(query).one())
    pairs = zip(found[::2], found[1::2], strict=True)
    return {start: Events(int(total), float(bad)) for start, (total, bad) in zip(starts, pairs, strict=True)}


def save(connection: Connection, monitor: str, bucket: Bucket, counted: Mapping[str, Events]) -> None:
    """Write what a bucket counted; computed again, it replaces what stood there."""
    for signal, events in counted.items():
        row = {"monitor": monitor, "start": bucket.start, "signal": signal, **vars(events)}
        upsert(connection, objectives, [row], **vars(events))
