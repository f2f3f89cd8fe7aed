"""Counts of experiments and shadows: a row per bucket, and the sum of all buckets before ``next``.

The sum is exact: a bucket that is computed again subtracts its earlier counts and adds the new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.encoding import pack, unpack
from monitor.checks.comparisons import (
    ComparisonCounts,
    ComparisonState,
    ComparisonUpdate,
    Countable,
    Key,
    mark_announced,
)
from monitor.store import aggregates
from monitor.store.aggregates import Entry
from monitor.store.database import now, upsert
from monitor.store.finding_history import load_points
from monitor.store.rows import ComparisonRow, FindingPoint, columns, read_all, read_first
from monitor.store.tables import comparisons

RETENTION = timedelta(days=100)
"""Retention of a bucket's own counts after they are in the sum; within it the bucket may be computed again."""


@dataclass(frozen=True)
class SummedComparisonRow(ComparisonRow):
    """A row of a comparison, with its sum."""

    total: bytes | None


def positions(connection: Connection, monitor: str) -> dict[tuple[str, str], tuple[str, datetime]]:
    """Return definition and ``next`` of the comparisons of a monitor, by kind and name."""
    columns = (comparisons.c.kind, comparisons.c.name, comparisons.c.definition, comparisons.c.next)
    rows = connection.execute(sa.select(*columns).where(comparisons.c.monitor == monitor))
    return {(row.kind, row.name): (row.definition, row.next) for row in rows}


def load_states(connection: Connection, monitor: str) -> dict[tuple[str, str], ComparisonState]:
    """Return the comparisons of a monitor by kind and name."""
    query = sa.select(*columns(comparisons, SummedComparisonRow)).where(comparisons.c.monitor == monitor)
    return {(row.kind, row.name): _to_state(row) for row in read_all(connection, SummedComparisonRow, query)}


def _to_state(row: SummedComparisonRow) -> ComparisonState:
    total = unpack(row.total, dict) if row.total else None
    return ComparisonState(row.kind, row.name, row.definition, row.next, total, row.told or {}, row.told_at)


def load_report(connection: Connection, monitor: str, kind: str, name: str) -> ComparisonRow | None:
    """Return a comparison without its sum, or None if it has not begun."""
    query = sa.select(*columns(comparisons, ComparisonRow)).where(_belongs_to(monitor, kind, name))
    return read_first(connection, ComparisonRow, query)


def history(connection: Connection, monitor: str, key: str, starts: Sequence[datetime]) -> list[FindingPoint]:
    """Return the results of one metric at some buckets, oldest first."""
    if not starts:
        return []
    chosen, key = set(starts), key[:512]
    points = load_points(connection, monitor, [key], min(starts), max(starts) + timedelta(seconds=1))[key]
    return [point for point in points if point.start in chosen]


def begin(connection: Connection, monitor: str, kind: str, name: str, definition: str, first: datetime) -> None:
    """Start a comparison, or restart it with a new definition."""
    delete(connection, monitor, [(kind, name)])
    row = {"monitor": monitor, "kind": kind, "name": name, "definition": definition, "next": first, "told": {}}
    row |= {"total": None, "told_at": None}
    upsert(connection, comparisons, [row], replace=("definition", "next", "told", "total", "told_at"))


def delete(connection: Connection, monitor: str, names: Iterable[tuple[str, str]]) -> None:
    """Delete comparisons that are no longer configured, with their counts."""
    for key in names:
        aggregates.delete(connection, monitor, key)
        connection.execute(sa.delete(comparisons).where(_belongs_to(monitor, *key)))


def add(
    connection: Connection,
    monitor: str,
    counts: ComparisonCounts,
    step: timedelta,
    summary: Mapping[str, object] | None = None,
) -> bool:
    """Store the counts of one bucket, and update the sum if it includes the bucket.

    Returns
    -------
    bool
        False if the definition has changed meanwhile; nothing is stored then.
    """
    mine = _belongs_to(monitor, counts.kind, counts.name)
    query = sa.select(*columns(comparisons, SummedComparisonRow)).where(mine)
    if connection.dialect.name == "postgresql":
        query = query.with_for_update()
    row = read_first(connection, SummedComparisonRow, query)
    if row is None or row.definition != counts.definition:
        return False
    if counts.start < row.next - RETENTION:
        return True  # the sum includes it and its own counts are deleted
    before = _to_counted(connection, monitor, counts)
    key = (counts.kind, counts.name)
    aggregates.save(connection, monitor, [Entry(key, counts.start, counts.sums.with_definition(counts.definition))])
    if counts.start > row.next:
        return True
    total = counts.sums if row.total is None else counts.read(unpack(row.total, dict)) + counts.sums
    if before is not None and counts.start < row.next:
        total = total - before
    values: dict[str, object] = {"total": pack(total.to_json()), "next": max(row.next, counts.start + step)}
    if summary is not None and counts.start == row.next:
        values |= {"told": summary, "told_at": now(connection)}
    if counts.start >= row.next:
        aggregates.delete_before(connection, monitor, counts.kind, counts.start - RETENTION, counts.name)
    connection.execute(sa.update(comparisons).where(mine).values(**values))
    return True


def save(
    connection: Connection, monitor: str, update: ComparisonUpdate, announced: Mapping[Key, Sequence[str]]
) -> bool:
    """Store the counts and results of comparisons; False if the definition of one has changed meanwhile."""
    complete = True
    for counts in update.counts:
        report = counts.report
        if report is not None:
            report = mark_announced(report, announced.get(counts.key, ()))
        complete &= add(connection, monitor, counts, update.step, report)
    return complete


def bucket_starts(connection: Connection, monitor: str, kind: str, name: str, first: datetime) -> Sequence[datetime]:
    """Return the starts of the stored buckets from ``first`` on."""
    return aggregates.starts(connection, monitor, (kind, name), first)


def first_start(connection: Connection, monitor: str, kind: str, name: str) -> datetime | None:
    """Return the start of the oldest counted bucket."""
    return aggregates.oldest(connection, monitor, (kind, name))


def sums_at(connection: Connection, monitor: str, kind: str, name: str, start: datetime) -> Mapping[str, object] | None:
    """Return the counts of a bucket as plain data, or None if they are not stored."""
    stored = aggregates.load_one(connection, monitor, (kind, name), start)
    return None if stored is None else unpack(stored, dict)


def _to_counted(connection: Connection, monitor: str, counts: ComparisonCounts) -> Countable | None:
    data = sums_at(connection, monitor, counts.kind, counts.name, counts.start)
    return None if data is None else counts.read(data)


def _belongs_to(monitor: str, kind: str, name: str) -> sa.ColumnElement[bool]:
    return sa.and_(comparisons.c.monitor == monitor, comparisons.c.kind == kind, comparisons.c.name == name)
