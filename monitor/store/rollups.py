"""Sums of the aggregates of older buckets by hour, and of older hours by day.

A bucket is in exactly one row: it is deleted by the transaction that adds it to the sum of its hour. The row lists the
buckets of its sum. A bucket that is stored once more after that, because it was computed again, is dropped: the sum
contains it already, and an earlier revision cannot be subtracted. If all buckets of a sum are stored once more, they
replace it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import add

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.binning import Binning
from detectors.encoding import pack, unpack
from monitor.core.aggregate import Aggregate
from monitor.core.schedule import floor
from monitor.profiling.bucket_profiles import BucketProfiles
from monitor.profiling.facts import Facts
from monitor.store import baselines
from monitor.store.buckets import OWED_AGAIN
from monitor.store.database import upsert
from monitor.store.tables import aggregates, buckets, rollups

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SUMMED = ("facts", "profile")
"""Kinds of aggregates that are summed; the others are deleted when nothing needs them."""
Layouts = Mapping[str, Mapping[str, Binning]]
"""Bins of the columns by the fingerprint of a baseline."""
TimeRange = tuple[datetime, datetime]
_COLUMNS = (rollups.c.kind, rollups.c.definition, rollups.c.start, rollups.c.buckets, rollups.c.data)


@dataclass(frozen=True)
class Part:
    """A stored sum of one or more buckets."""

    kind: str
    definition: str
    buckets: frozenset[datetime]
    data: bytes

    @property
    def start(self) -> datetime:
        """Return the start of the first bucket."""
        return min(self.buckets)


def groups_of_buckets(
    connection: Connection, monitor: str, before: datetime, without: Sequence[TimeRange], most: int
) -> list[datetime]:
    """Return the oldest hours before a time with buckets to sum, without those of some ranges."""
    query = (
        sa.select(aggregates.c.start)
        .distinct()
        .where(_is_old(monitor, floor(before, HOUR), without))
        .order_by(aggregates.c.start)
        .limit(most)
    )
    return list(dict.fromkeys(floor(start, HOUR) for start in connection.execute(query).scalars()))


def groups_of_hours(connection: Connection, monitor: str, before: datetime) -> list[datetime]:
    """Return the days before a time with hours to sum."""
    table = rollups.c
    query = (
        sa.select(table.start)
        .distinct()
        .where(table.monitor == monitor, table.length == HOUR.seconds, table.start < floor(before, DAY))
    )
    return list(dict.fromkeys(floor(start, DAY) for start in connection.execute(query.order_by(table.start)).scalars()))


def sum_hour(connection: Connection, monitor: str, hour: datetime, without: Sequence[TimeRange]) -> None:
    """Replace the aggregates of the buckets of an hour by their sums."""
    old = sa.and_(_is_old(monitor, hour + HOUR, without), aggregates.c.start >= hour)
    query = sa.delete(aggregates).where(old)  # read and deleted by one statement, so that no revision gets lost
    rows = connection.execute(
        query.returning(aggregates.c.kind, aggregates.c.definition, aggregates.c.start, aggregates.c.data)
    )
    parts = [Part(kind, definition, frozenset([start]), data) for kind, definition, start, data in rows]
    _add(connection, monitor, hour, HOUR, parts)


def sum_day(connection: Connection, monitor: str, day: datetime) -> None:
    """Replace the sums of the hours of a day by their sum."""
    table = rollups.c
    hours = sa.and_(table.monitor == monitor, table.length == HOUR.seconds, table.start >= day, table.start < day + DAY)
    parts = [_read(row) for row in connection.execute(sa.delete(rollups).where(hours).returning(*_COLUMNS))]
    _add(connection, monitor, day, DAY, parts)


def load(
    connection: Connection, monitor: str, kind: str, definition: str, start: datetime, end: datetime
) -> list[Part]:
    """Return the sums with a bucket in a range, oldest first."""
    table = rollups.c
    query = sa.select(*_COLUMNS).where(
        table.monitor == monitor,
        table.kind == kind,
        table.definition == definition,
        table.start > start - DAY,
        table.start < end,
    )
    parts = [_read(row) for row in connection.execute(query.order_by(table.start))]
    return sorted((one for one in parts if any(start <= at < end for at in one.buckets)), key=lambda one: one.start)


def delete_before(connection: Connection, monitor: str, at: datetime) -> int:
    """Delete the sums of the days and hours before a time."""
    old = sa.and_(rollups.c.monitor == monitor, rollups.c.start < floor(at, DAY))
    return connection.execute(sa.delete(rollups).where(old)).rowcount


def _is_old(monitor: str, before: datetime, without: Sequence[TimeRange]) -> sa.ColumnElement[bool]:
    table = aggregates.c
    again = sa.select(buckets.c.start).where(
        buckets.c.monitor == monitor, sa.or_(OWED_AGAIN, buckets.c.state == "claimed")
    )
    outside = [sa.or_(table.start < start, table.start >= end) for start, end in without]
    return sa.and_(
        table.monitor == monitor,
        table.kind.in_(SUMMED),
        table.name == "",
        table.start < before,
        *outside,
        table.start.not_in(again),
    )


def _add(connection: Connection, monitor: str, start: datetime, length: timedelta, parts: Sequence[Part]) -> None:
    """Add parts to the sums of an hour or a day; profiles over bins that no baseline has can never be read again."""
    layouts = baselines.load_layouts(connection, monitor)
    for key in sorted({(one.kind, one.definition) for one in parts}):
        if key[0] == "profile" and key[1] not in layouts:
            continue
        new = sorted((one for one in parts if (one.kind, one.definition) == key), key=lambda one: one.start)
        total = combine(_load_one(connection, monitor, start, length, key), new, _reader(key, layouts))
        row = {"monitor": monitor, "kind": key[0], "length": int(length.total_seconds()), "start": start}
        offsets = sorted(int((at - start).total_seconds()) for at in total.buckets)
        row |= {"definition": key[1], "buckets": pack(offsets), "data": total.data}
        upsert(connection, rollups, [row], replace=("buckets", "data"))


def combine(stored: Part | None, new: Sequence[Part], read: Callable[[bytes], Aggregate]) -> Part:
    """Return the sum of a stored sum and new parts, oldest first; no bucket is counted twice."""
    replaced = stored is not None and stored.buckets <= frozenset[datetime]().union(*(one.buckets for one in new))
    chosen = [] if stored is None or replaced else [stored]
    for part in new:
        if not any(part.buckets & one.buckets for one in chosen):
            chosen.append(part)
    if len(chosen) == 1:
        return chosen[0]
    total = reduce(add, (read(one.data) for one in sorted(chosen, key=lambda one: one.start)))
    return Part(
        chosen[0].kind, chosen[0].definition, frozenset().union(*(one.buckets for one in chosen)), total.to_bytes()
    )


def _reader(key: tuple[str, str], layouts: Layouts) -> Callable[[bytes], Aggregate]:
    kind, definition = key
    return Facts.from_bytes if kind == "facts" else BucketProfiles(definition, layouts[definition]).from_bytes


def _load_one(
    connection: Connection, monitor: str, start: datetime, length: timedelta, key: tuple[str, str]
) -> Part | None:
    table = rollups.c
    query = sa.select(*_COLUMNS).where(
        table.monitor == monitor,
        table.length == int(length.total_seconds()),
        table.start == start,
        table.kind == key[0],
        table.definition == key[1],
    )
    row = connection.execute(query).one_or_none()
    return _read(row) if row is not None else None


def _read(row: sa.Row[str, str, datetime, bytes, bytes]) -> Part:
    kind, definition, start, offsets, data = row
    starts = frozenset(start + timedelta(seconds=offset) for offset in unpack(offsets, list))
    return Part(kind, definition, starts, data)
