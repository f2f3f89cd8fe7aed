"""Turns of evaluations: the replica that takes a turn runs it, the others wait for the next."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.store import leases
from monitor.store.database import insert_for, now
from monitor.store.tables import evaluation_turns as turns

LEASE = timedelta(minutes=2)
OWNER = leases.new_owner()


def take(connection: Connection, name: str, every: timedelta, last: datetime | None = None) -> bool:
    """Take a due turn that has no owner; the row is the lock, and the clock is that of the database.

    Parameters
    ----------
    every
        Time from the start of one turn to the start of the next, across replicas.
    last
        Time of the last run by other means, such as the command line.
    """
    moment = now(connection)
    if last is not None and moment - last < every:
        return False
    values = {"begun_at": moment, "owner": OWNER, "lease_until": moment + LEASE}
    due = sa.and_(turns.c.lease_until < moment, turns.c.begun_at <= moment - every)
    taken = (
        insert_for(connection.dialect.name)(turns)
        .values(name=name, **values)
        .on_conflict_do_update(index_elements=["name"], set_=values, where=due)
        .returning(turns.c.name)
    )
    return connection.execute(taken).one_or_none() is not None


def renew(connection: Connection, name: str) -> None:
    """Extend the lease of a running turn."""
    _set_lease(connection, name, now(connection) + LEASE)


def end(connection: Connection, name: str) -> None:
    """End a turn; the next one is due after its interval."""
    _set_lease(connection, name, now(connection) - timedelta(seconds=1))


def _set_lease(connection: Connection, name: str, until: datetime) -> None:
    mine = sa.and_(turns.c.name == name, turns.c.owner == OWNER)
    connection.execute(sa.update(turns).where(mine).values(lease_until=until))
