"""Deploy events that were reported, at most 1,000 per monitor."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.core.deploy_event import DeployEvent
from monitor.store.database import insert_for, now
from monitor.store.rows import columns, read_all
from monitor.store.tables import deploy_events

MOST = 1000
"""Maximum number of stored events of a monitor; older ones are deleted."""
MOST_LOADED = 100
"""Maximum number of events that a decision considers, newest first."""
_COLUMNS = columns(deploy_events, DeployEvent)


def add_event(connection: Connection, event: DeployEvent) -> tuple[DeployEvent, bool]:
    """Store an event unless there is one with its id; return the stored event, and whether it is new."""
    insert = insert_for(connection.dialect.name)(deploy_events).values(**asdict(event), reported_at=now(connection))
    added = insert.on_conflict_do_nothing(index_elements=["id"]).returning(deploy_events.c.id)
    if connection.execute(added).one_or_none() is not None:
        _delete_oldest(connection, event.monitor)
        return event, True
    (stored,) = read_all(connection, DeployEvent, sa.select(*_COLUMNS).where(deploy_events.c.id == event.id))
    return stored, False


def load_events(connection: Connection, monitors: Collection[str], most: int = MOST_LOADED) -> list[DeployEvent]:
    """Return the events of monitors, newest first."""
    query = sa.select(*_COLUMNS).where(deploy_events.c.monitor.in_(sorted(monitors)))
    return read_all(connection, DeployEvent, query.order_by(*_NEWEST).limit(most))


_NEWEST = (deploy_events.c.at.desc(), deploy_events.c.id)


def _delete_oldest(connection: Connection, monitor: str) -> None:
    own = sa.select(deploy_events.c.id).where(deploy_events.c.monitor == monitor).order_by(*_NEWEST)
    oldest = connection.execute(own.offset(MOST).limit(MOST)).scalars().all()
    if oldest:
        connection.execute(sa.delete(deploy_events).where(deploy_events.c.id.in_(oldest)))
