"""Aggregates of buckets: one row per kind and name, replaced when the bucket is computed again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.core.aggregate import Aggregate, Key
from monitor.store.database import upsert
from monitor.store.tables import aggregates


@dataclass(frozen=True)
class Entry:
    """An aggregate with its key and bucket."""

    key: Key
    start: datetime
    aggregate: Aggregate


@dataclass(frozen=True)
class Range:
    """Selects the stored aggregates of one kind and name in a half-open interval.

    Parameters
    ----------
    definition
        Only aggregates with this definition; None for all.
    dated
        Whether their starts are needed; a sum of thousands is faster without.
    """

    kind: str
    name: str
    start: datetime
    end: datetime
    definition: str | None = None
    dated: bool = True


@dataclass(frozen=True)
class StoredAggregate:
    """An aggregate in its stored form; ``start`` is None if it was not requested."""

    start: datetime | None
    definition: str
    data: bytes


def save(connection: Connection, monitor: str, entries: Iterable[Entry]) -> None:
    """Insert or replace aggregates."""
    rows = [
        {
            "monitor": monitor,
            "kind": entry.key[0],
            "name": entry.key[1],
            "start": entry.start,
            "definition": entry.aggregate.definition,
            "data": entry.aggregate.to_bytes(),
        }
        for entry in entries
    ]
    upsert(connection, aggregates, rows, replace=("definition", "data"))


def load(connection: Connection, monitor: str, ranges: Sequence[Range]) -> list[list[StoredAggregate]]:
    """Read several ranges with one statement; a ``dated`` range is in order of time."""
    loaded: list[list[StoredAggregate]] = [[] for _ in ranges]
    if not ranges:
        return loaded
    statement = _load(tuple((one.dated, one.definition is not None) for one in ranges))
    values = {f"{name}_{place}": value for place, one in enumerate(ranges) for name, value in vars(one).items()}
    for place, start, definition, data in connection.execute(statement, {"monitor": monitor, **values}):
        loaded[place].append(StoredAggregate(start, definition, data))
    return [
        sorted(rows, key=lambda row: row.start or one.start) if one.dated else rows
        for one, rows in zip(ranges, loaded, strict=True)
    ]


@lru_cache
def _load(ranges: tuple[tuple[bool, bool], ...]) -> sa.Executable:
    """Return the statement that reads several ranges, each dated or not, and of one definition or of all."""
    parts = [_select(place, dated=dated, defined=defined) for place, (dated, defined) in enumerate(ranges)]
    return sa.union_all(*parts) if len(parts) > 1 else parts[0]


def _select(place: int, *, dated: bool, defined: bool) -> sa.Select[int, datetime, str, bytes]:
    column = aggregates.c
    moment = column.start if dated else sa.null()
    query = (
        sa.select(sa.literal(place), sa.type_coerce(moment, column.start.type), column.definition, column.data)
        .where(column.monitor == sa.bindparam("monitor"))
        .where(column.kind == sa.bindparam(f"kind_{place}"), column.name == sa.bindparam(f"name_{place}"))
        .where(column.start >= sa.bindparam(f"start_{place}"), column.start < sa.bindparam(f"end_{place}"))
    )
    return query.where(column.definition == sa.bindparam(f"definition_{place}")) if defined else query


def load_one(connection: Connection, monitor: str, key: Key, start: datetime) -> bytes | None:
    """Return the stored form of one aggregate, or None."""
    query = sa.select(aggregates.c.data).where(_named(monitor, key), aggregates.c.start == start)
    return connection.execute(query).scalar_one_or_none()


def starts(connection: Connection, monitor: str, key: Key, first: datetime) -> Sequence[datetime]:
    """Return the starts of the stored aggregates of one kind and name from ``first`` on, oldest first."""
    query = sa.select(aggregates.c.start).where(_named(monitor, key), aggregates.c.start >= first)
    return connection.execute(query.order_by(aggregates.c.start)).scalars().all()


def oldest(connection: Connection, monitor: str, key: Key) -> datetime | None:
    """Return the start of the oldest aggregate of one kind and name."""
    query = sa.select(sa.func.min(aggregates.c.start)).where(_named(monitor, key))
    return connection.execute(query).scalar_one_or_none()


def newest(connection: Connection, monitor: str, key: Key) -> datetime | None:
    """Return the start of the newest aggregate of one kind and name."""
    query = sa.select(sa.func.max(aggregates.c.start)).where(_named(monitor, key))
    return connection.execute(query).scalar_one_or_none()


def delete(connection: Connection, monitor: str, key: Key, start: datetime | None = None) -> None:
    """Delete the aggregates of one kind and name, or only that of one bucket."""
    where = _named(monitor, key)
    connection.execute(sa.delete(aggregates).where(where if start is None else where & (aggregates.c.start == start)))


def delete_before(connection: Connection, monitor: str, kind: str, start: datetime, name: str | None = None) -> None:
    """Delete the aggregates of a kind that begin before ``start``, of all names or of one."""
    where = sa.and_(aggregates.c.monitor == monitor, aggregates.c.kind == kind, aggregates.c.start < start)
    connection.execute(sa.delete(aggregates).where(where if name is None else where & (aggregates.c.name == name)))


def _named(monitor: str, key: Key) -> sa.ColumnElement[bool]:
    kind, name = key
    return sa.and_(aggregates.c.monitor == monitor, aggregates.c.kind == kind, aggregates.c.name == name)
