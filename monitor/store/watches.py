"""Heartbeats and source errors of monitors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.store.database import Database, now, upsert
from monitor.store.rows import WatchRow, read_all
from monitor.store.tables import watches


def save_watch(connection: Connection, monitor: str, **values: object) -> None:
    """Store the heartbeat or the source error of a monitor."""
    row: dict[str, object] = {"monitor": monitor, "config": "", "seen_at": now(connection), **values}
    upsert(connection, watches, [{"late_rows": 0, **row}], replace=("seen_at", *values))


def error_since(connection: Connection, monitor: str) -> datetime | None:
    """Return the time since which a source cannot be read, or None."""
    query = sa.select(watches.c.error_since).where(watches.c.monitor == monitor)
    return connection.execute(query).scalar_one_or_none()


def load_watches(database: Database, names: Sequence[str]) -> tuple[datetime, dict[str, WatchRow]]:
    """Return our database's clock and the last pass of each monitor."""
    with database.read() as connection:
        query = watches.select().where(watches.c.monitor.in_(names))
        return now(connection), {row.monitor: row for row in read_all(connection, WatchRow, query)}
