"""Bytes of our database by kind of rows and by monitor, and an estimate of what a monitor needs in a year."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.store.database import StoreError, now, upsert
from monitor.store.kinds import TABLES, TableKind
from monitor.store.tables import aggregates, rollups, store_sizes

YEAR = timedelta(days=365)
SHORTEST = timedelta(hours=1)
"""Least range of rows from which their growth is estimated."""
ROW_BYTES = 80
"""Bytes of an aggregate besides its content, by which the bytes of their table are divided among the kinds."""


@dataclass(frozen=True)
class KindSize:
    """The rows of one kind of one monitor.

    Parameters
    ----------
    monitor
        None for rows that belong to no monitor.
    bytes
        With indexes; an estimate if rows of several kinds or monitors share a table.
    oldest, newest
        Times of the oldest and of the newest row; None if their kind has no times.
    """

    kind: str
    monitor: str | None
    bytes: int
    rows: int
    oldest: datetime | None = None
    newest: datetime | None = None

    def __add__(self, other: KindSize) -> KindSize:
        """Return the size of both; they are of the same kind."""
        oldest = [at for at in (self.oldest, other.oldest) if at is not None]
        newest = [at for at in (self.newest, other.newest) if at is not None]
        return KindSize(
            self.kind,
            self.monitor if self.monitor == other.monitor else None,
            self.bytes + other.bytes,
            self.rows + other.rows,
            min(oldest, default=None),
            max(newest, default=None),
        )

    def estimate_year(self, kept: timedelta | None = None) -> int:
        """Return the bytes after a year at the rate of the stored range.

        Parameters
        ----------
        kept
            How long such rows are kept; None if they are not deleted.
        """
        if self.oldest is None or self.newest is None or self.newest - self.oldest < SHORTEST:
            return self.bytes
        return round(self.bytes * max(1.0, min(YEAR, kept or YEAR) / (self.newest - self.oldest)))


def measure(connection: Connection) -> list[KindSize]:
    """Return the sizes of all kinds by monitor; reads every page of a SQLite database, so call it rarely."""
    whole = _table_bytes(connection)
    parts = [
        size for one in TABLES for size in _divide(list(_count_rows(connection, one)), whole.get(one.table.name, 0))
    ]
    return _sum_by(parts, lambda size: (size.kind, size.monitor or ""))


def sum_by_kind(sizes: Sequence[KindSize]) -> list[KindSize]:
    """Return the sizes of each kind over all monitors, the largest first."""
    return _sum_by(sizes, lambda size: (size.kind,))


def _sum_by(sizes: Iterable[KindSize], key: Callable[[KindSize], tuple[str, ...]]) -> list[KindSize]:
    """Return the sums of the sizes that have the same key, the largest first."""
    total: dict[tuple[str, ...], KindSize] = {}
    for size in sizes:
        total[key(size)] = total[key(size)] + size if key(size) in total else size
    return sorted(total.values(), key=lambda size: (-size.bytes, *key(size)))


def free_bytes(connection: Connection) -> int:
    """Return the bytes of the file of a SQLite database that hold no rows and are used again; 0 for PostgreSQL."""
    if connection.dialect.name == "postgresql":
        return 0
    pages, size = (
        connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("freelist_count", "page_size")
    )
    return int(pages) * int(size)


def _table_bytes(connection: Connection) -> Mapping[str, int]:
    """Return the bytes of each table with its indexes."""
    names = [one.table.name for one in TABLES]
    if connection.dialect.name == "postgresql":
        query = sa.text(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE oid = ANY(CAST(:tables AS regclass[]))"
        )
        return {name: int(size) for name, size in connection.execute(query, {"tables": names})}
    try:
        rows = connection.exec_driver_sql(
            "SELECT tbl_name, SUM(pgsize) FROM dbstat JOIN sqlite_master USING (name) WHERE aggregate = 1 "
            "GROUP BY tbl_name"
        )
    except sa.exc.OperationalError:
        raise StoreError(
            "this build of SQLite cannot measure tables (DBSTAT); use the container image, or Python with SQLite of "
            "Debian."
        ) from None
    return {name: int(size) for name, size in rows}


def _count_rows(connection: Connection, one: TableKind) -> Iterator[tuple[KindSize, int]]:
    """Yield the rows of a table by kind and monitor, without their bytes, each with its weight in the table."""
    column = one.table.c
    monitor = column.monitor if "monitor" in column else sa.null()
    times = [sa.func.min(one.time), sa.func.max(one.time)] if one.time is not None else [sa.null(), sa.null()]
    several = one.table in (aggregates, rollups)
    kind: sa.ColumnElement[str] = sa.literal(one.kind)
    if one.table is aggregates:
        kind = column.kind
    elif one.table is rollups:
        kind = sa.case((column.length == 3600, "hours"), else_="days")  # noqa: PLR2004
    weight: sa.ColumnElement[int] = sa.func.sum(ROW_BYTES + sa.func.length(column.data)) if several else sa.func.count()
    groups = [each for each in (monitor, kind) if not isinstance(each, sa.sql.elements.Null | sa.BindParameter)]
    query = sa.select(monitor, kind, sa.func.count(), weight, *times).select_from(one.table).group_by(*groups)
    for name, of_kind, rows, share, oldest, newest in connection.execute(query):
        if rows:
            yield KindSize(str(of_kind), name, 0, int(rows), oldest, newest), int(share)


def _divide(parts: Sequence[tuple[KindSize, int]], whole: int) -> Iterator[KindSize]:
    """Yield the parts of a table with their bytes, by their weights."""
    total = sum(weight for _, weight in parts)
    for size, weight in parts:
        yield KindSize(size.kind, size.monitor, whole * weight // total, size.rows, size.oldest, size.newest)


def save(connection: Connection, sizes: Sequence[KindSize]) -> None:
    """Store the bytes of each kind, for metrics."""
    at = now(connection)
    connection.execute(sa.delete(store_sizes))
    rows = [{"kind": size.kind, "bytes": size.bytes, "measured_at": at} for size in sizes]
    upsert(connection, store_sizes, rows, replace=("bytes", "measured_at"))
