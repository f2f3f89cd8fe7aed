"""States of the circuit breakers, shared by all replicas and written together with the bucket that changed them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.cost.breaker import Breaker
from monitor.actions.breakers import BreakerUpdate, Key
from monitor.core.action import Action
from monitor.store.database import upsert
from monitor.store.rows import BreakerRow, BreakerTransitionRow, read_all
from monitor.store.tables import breaker_transitions, breakers

REASON_LENGTH = 512
RETENTION = timedelta(days=400)
"""Retention of transitions."""
MOST_ROWS = 20_000
FIELDS = tuple(field.name for field in fields(Breaker))


def load_breakers(connection: Connection, names: Collection[str]) -> dict[Key, Breaker]:
    """Return the breakers with these names: those with a state change, and those of all traffic."""
    query = sa.select(breakers).where(breakers.c.name.in_(list(names))).limit(MOST_ROWS)
    return {(row.name, row.value): breaker_from(row) for row in read_all(connection, BreakerRow, query)}


def rows(connection: Connection, names: Collection[str]) -> list[BreakerRow]:
    """Return the breakers as rows, those that are not closed first."""
    query = sa.select(breakers).where(breakers.c.name.in_(list(names)))
    order = sa.case((breakers.c.state == "closed", 1), else_=0)
    return read_all(connection, BreakerRow, query.order_by(order, breakers.c.name, breakers.c.value).limit(MOST_ROWS))


def breaker_from(row: BreakerRow) -> Breaker:
    """Return the breaker of a row."""
    return Breaker(**{name: getattr(row, name) for name in FIELDS})


def transitions(connection: Connection, name: str, most: int = 50) -> list[BreakerTransitionRow]:
    """Return the newest transitions of a breaker, of all its values."""
    query = sa.select(breaker_transitions).where(breaker_transitions.c.name == name)
    return read_all(connection, BreakerTransitionRow, query.order_by(breaker_transitions.c.at.desc()).limit(most))


def save(connection: Connection, monitor: str, broken: BreakerUpdate) -> list[Action]:
    """Store the transitions of a bucket and return the actions of those that apply.

    If a breaker was set manually after it was loaded, the manual state remains and that of the bucket is dropped.
    """
    actions: list[Action] = []
    for key, after in broken.after.items():
        if put(connection, monitor, key, broken.before[key], after):
            actions += broken.actions.get(key, ())
    for key, planned in broken.actions.items():
        actions += planned if key not in broken.after else ()
    for name in broken.names:
        fresh = _row(monitor, (name, ""), Breaker("closed", broken.at, "no state change yet"))
        upsert(connection, breakers, [{**fresh, "as_of": broken.at}], replace=("as_of",))
    return actions


def delete_expired(connection: Connection, at: datetime) -> int:
    """Delete the expired transitions of all breakers; return their number."""
    return connection.execute(sa.delete(breaker_transitions).where(breaker_transitions.c.at < at - RETENTION)).rowcount


def put(connection: Connection, monitor: str, key: Key, before: Breaker | None, after: Breaker) -> bool:
    """Replace a breaker unless another writer changed it meanwhile; store and count its transition."""
    name, value = key
    if before is None:
        upsert(connection, breakers, [_row(monitor, key, Breaker("closed", after.since, ""))])
    done = connection.execute(
        sa.update(breakers)
        .where(breakers.c.name == name, breakers.c.value == value)
        .where(breakers.c.number == (before.number if before else 0))
        .values(**_values(after))
    )
    if done.rowcount != 1:
        return False
    if after.number != (before.number if before else 0):
        transition = {"at": after.since, "state": after.state, "reason": after.reason[:REASON_LENGTH], "who": after.who}
        upsert(connection, breaker_transitions, [{"name": name, "value": value, "number": after.number, **transition}])
        _count(connection, monitor, name, after)
    return True


def _count(connection: Connection, monitor: str, name: str, after: Breaker) -> None:
    upsert(connection, breakers, [_row(monitor, (name, ""), Breaker("closed", after.since, "no state change yet"))])
    here = sa.and_(breakers.c.name == name, breakers.c.value == "")
    counts = dict(connection.execute(sa.select(breakers.c.counts).where(here)).scalar_one())
    counts[after.state] = counts.get(after.state, 0) + 1
    connection.execute(sa.update(breakers).where(here).values(counts=counts))


def _values(breaker: Breaker) -> dict[str, object]:
    return {**{name: getattr(breaker, name) for name in FIELDS}, "reason": breaker.reason[:REASON_LENGTH]}


def _row(monitor: str, key: Key, breaker: Breaker) -> dict[str, object]:
    return {"name": key[0], "value": key[1], "monitor": monitor, **_values(breaker), "as_of": None, "counts": {}}


def newest_bucket_ends(rows: Sequence[BreakerRow]) -> dict[str, datetime]:
    """Return by name the end of the newest bucket for which a breaker was evaluated."""
    return {row.name: row.as_of for row in rows if not row.value and row.as_of is not None}
