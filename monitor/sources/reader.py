"""Reader of a SQL source: short read-only transactions, and pages by key instead of cursors."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Row

from monitor.config.presets.base import SINCE, Narrow
from monitor.config.source import ColumnSpec, Source
from monitor.core.bounded import Bounded
from monitor.core.record_batch import RecordBatch
from monitor.sources import arrow
from monitor.sources.base import ColumnInfo, ColumnType, Counts, SourceError
from monitor.sources.batches import BatchDecoder, Page
from monitor.sources.column_stats import summarize_column
from monitor.sources.dialects.base import DatabaseColumn, Dialect, raw
from monitor.sources.schema import Origin, as_subquery
from monitor.sources.session import session
from monitor.sources.times import UNITS, TimeColumn

LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)
MOST_QUERIES = 32
LOG = structlog.get_logger(__name__)


class SqlReader:
    """Reads a SQL source.

    Parameters
    ----------
    engine
        Read-only engine from :func:`monitor.sources.connect.open_engine`.
    source
        The source, with a preset already converted to query, key and columns.
    dialect
        Dialect of the database.
    narrow
        Returns the query of a preset for a subset of its columns, so that unneeded tables are not joined.
    """

    def __init__(self, engine: sa.Engine, source: Source, dialect: Dialect, narrow: Narrow | None = None) -> None:
        self._engine = engine
        self._source = source
        self._dialect = dialect
        self._origin = Origin(source, dialect)
        self._roles = {spec.column: role for role, spec in source.columns.items()}
        self._decoder = BatchDecoder(source)
        units = {spec.column: spec.unit for role, spec in source.columns.items() if role != "timestamp"}
        self._durations = {column: unit for column, unit in units.items() if unit is not None}
        self._offsets: bool | None = None
        self._narrow = narrow
        self._shape: list[DatabaseColumn] | None = None
        self._clock: TimeColumn | None = None
        self._keyed: bool | None = None
        self._counted: tuple[datetime, datetime, int] | None = None
        self._arrow_calls = Bounded()
        self._queries: dict[tuple[object, ...], sa.Select[Any]] = {}

    # ------------------------------------------------------------------ sessions

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        """Open a short read-only transaction; raises :class:`SourceError`."""
        try:
            with session(self._engine, self._dialect, self._source) as connection:
                yield connection
        except SourceError:
            self._shape = self._clock = self._keyed = self._counted = None
            raise

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    # ------------------------------------------------------------------ schema

    def _columns(self, connection: Connection, name: str) -> dict[str, DatabaseColumn]:
        """Return the columns by canonical name; raises SourceError if a mapped column does not exist."""
        # The columns of a preset's query are fixed; a column that was dropped from its tables fails when it is read.
        if self._shape is None or self._narrow is None:
            self._shape = self._origin.columns(connection, name)
        by_name = {column.name: column for column in self._shape}
        for role, spec in self._source.columns.items():
            if spec.column not in by_name:
                close = difflib.get_close_matches(spec.column, by_name, n=1, cutoff=0.4)
                hint = f" Did you mean {close[0]!r}?" if close else ""
                raise SourceError(
                    "missing_column",
                    f"`columns.{role}` names {spec.column!r}, which does not exist, or which this user may not read. "
                    f"Found: {', '.join(by_name)}.{hint}",
                )
            if spec.column in self._durations and by_name[spec.column].type != "numeric":
                raise SourceError(
                    "configuration",
                    f"`columns.{role}` has a unit, but {spec.column!r} is not numeric "
                    f"({by_name[spec.column].database_type}); remove the unit.",
                )
        return {self._roles.get(column, column): info for column, info in by_name.items()}

    def schema(self) -> dict[str, ColumnType]:
        """Return the types of the columns by canonical name, without reading rows."""
        with self._session() as connection:
            name = self._origin.resolve(connection)
            return {role: info.type for role, info in self._columns(connection, name).items()}

    def now(self) -> datetime:
        """Return the time of the database's clock in UTC."""
        with self._session() as connection:
            return self._dialect.now(connection)

    def quiet_since(self, end: datetime) -> bool | None:
        """Return whether no transaction started before ``end`` is open; None if this role cannot see transactions."""
        with self._session() as connection:
            return self._dialect.quiet_since(connection, end)

    # ------------------------------------------------------------------ time

    def _time(self, connection: Connection, name: str, columns: Mapping[str, DatabaseColumn]) -> TimeColumn:
        self._clock = self._time_column(connection, name, columns)
        return self._clock

    def _time_column(self, connection: Connection, name: str, columns: Mapping[str, DatabaseColumn]) -> TimeColumn:
        spec = self._source.columns["timestamp"]
        column = columns["timestamp"]
        if spec.unit is not None:
            return TimeColumn(spec, "epoch")
        if column.type == "numeric":
            raise SourceError(
                "configuration",
                f"the timestamp column {spec.column!r} is numeric; set its unit (s, ms, us or ns), such as "
                f"`timestamp: {{column: {spec.column}, unit: s}}`.",
            )
        if (time := self._dialect.time(spec, column)) is not None:
            return time
        if self._offsets is None:
            self._offsets = self._has_offsets(connection, name, spec)
        return TimeColumn(spec, "text", offsets=self._offsets)

    def _has_offsets(self, connection: Connection, name: str, spec: ColumnSpec) -> bool:
        """Return whether any of the newest and oldest texts has an offset other than UTC, so that texts do not sort."""
        column = raw(spec.column)
        texts: list[str] = []
        for order in (column.desc(), column.asc()):
            query = sa.select(column).select_from(self._from(name)).where(column.is_not(None)).order_by(order)
            texts += [str(text) for text in connection.execute(query.limit(50)).scalars()]
        time = TimeColumn(spec, "text")
        for text in texts:
            try:
                time.moment(text)
            except ValueError:
                continue
            tail = text.strip()[19:]
            if "%z" in (spec.format or "") or ("+" in tail or "-" in tail) and not tail.endswith("+00:00"):
                return True
        return False

    # ------------------------------------------------------------------ rows

    def _from(self, name: str, start: datetime = LONG_AGO, wanted: Collection[str] | None = None) -> sa.TextClause:
        """Return the FROM clause; for a preset, with the time, the key and the wanted columns only."""
        if self._narrow is not None and wanted is not None:
            name = as_subquery(self._narrow({self._source.columns["timestamp"].column, *self._source.key, *wanted}))
        if SINCE in name and self._source.query is not None:
            name = name.replace(SINCE, self._dialect.moment(start))
        return sa.text(name.replace(":", "\\:"))

    def _value(self, info: DatabaseColumn) -> sa.ColumnElement[Any]:
        value = self._dialect.value(info, self._source.text_limit)
        unit = self._durations.get(info.name)
        return value if unit is None else value / float(UNITS[unit])

    def _within(self, time: TimeColumn, start: datetime, end: datetime) -> sa.ColumnElement[bool]:
        return sa.and_(time.within(self._dialect.stamp(time), start, end), *self._dialect.bounds(time, start, end))

    def counts(self, start: datetime, end: datetime) -> Counts:
        """Count the rows with ``start <= timestamp < end``."""
        return self._count(start, end)

    def _count(self, start: datetime, end: datetime) -> Counts:
        with self._session() as connection:
            name = self._origin.resolve(connection)
            columns = self._columns(connection, name)
            time = self._time(connection, name, columns)
            marked = [columns[role].name for role in ("label", "feedback") if role in columns]
            query = self._count_query(name, time, marked, start, end)
            rows = connection.execute(query, time.limits(start, end)).all()
            if time.exact:
                numbers = [int(value) for value in rows[0]]
            else:
                inside = _inside(time, rows, start, end)
                members = [row for row, keep in zip(rows, inside, strict=True) if keep]
                numbers = [len(members), *(sum(row[i + 1] is not None for row in members) for i in range(len(marked)))]
        self._counted = (start, end, numbers[0])
        named = dict(zip([role for role in ("label", "feedback") if role in columns], numbers[1:], strict=True))
        return Counts(numbers[0], named.get("label", 0), named.get("feedback", 0))

    def _count_query(
        self, name: str, time: TimeColumn, marked: Sequence[str], start: datetime, end: datetime
    ) -> sa.Select[Any]:
        """Return the query that counts the rows, and the values of marked columns; it returns the rows if not exact."""
        origin = self._from(name, start, marked)

        def build() -> sa.Select[Any]:
            marks = [raw(column) for column in marked]
            counts = [sa.func.count(), *(sa.func.count(mark) for mark in marks)]
            return sa.select(*(counts if time.exact else [self._dialect.stamp(time), *marks])).select_from(origin)

        return self._remember(("counts", origin.text, *marked), build, time, start, end)

    def _remember(
        self,
        shape: tuple[object, ...],
        build: Callable[[], sa.Select[Any]],
        time: TimeColumn,
        start: datetime,
        end: datetime,
    ) -> sa.Select[Any]:
        """Return the query of a time range. It is built once for each shape; see `TimeColumn.limits` for the range."""
        shape = (time.kind, time.offsets, *shape)
        if shape not in self._queries:
            if len(self._queries) == MOST_QUERIES:
                self._queries.clear()
            self._queries[shape] = build().where(time.within(self._dialect.stamp(time), start, end))
        bounds = self._dialect.bounds(time, start, end)
        return self._queries[shape].where(*bounds) if bounds else self._queries[shape]

    def read(self, start: datetime, end: datetime, columns: Sequence[str]) -> Iterator[RecordBatch]:
        """Yield batches of the named columns and ``timestamp`` (float64 seconds since 1970, UTC).

        Rows without a key (views, queries) are read in slices of time instead of pages.
        """
        for first, last in self._slices(start, end):
            after: tuple[Any, ...] | None = None
            while True:
                batch, after = self._batch(first, last, columns, after)
                if batch.rows:
                    yield batch
                if after is None:
                    break

    def _slices(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        if self._keyed is None:
            with self._session() as connection:
                self._keyed = bool(self._origin.key(connection, self._origin.resolve(connection)))
        if self._keyed:
            return [(start, end)]
        before = self._counted
        rows = before[2] if before and before[:2] == (start, end) else self._count(start, end).rows
        pieces = max(1, -(-rows // self._source.page_size))
        bounds = [start + (end - start) * place / pieces for place in range(pieces)] + [end]
        return list(zip(bounds, bounds[1:], strict=False))

    def _batch(
        self, start: datetime, end: datetime, columns: Sequence[str], after: tuple[Any, ...] | None
    ) -> tuple[RecordBatch, tuple[Any, ...] | None]:
        """Read a page in a transaction; retry once if the schema changed since the plan was cached."""
        fast = after is not None and self._dialect.arrow and arrow.available(self._source)
        page = Page(start, end, after, arrow.PAGE if fast else self._source.page_size)
        try:
            return self._read_page(page, columns, fast=fast)
        except SourceError as error:
            if error.reason != "changed":
                raise
            self._engine.dispose()
            return self._read_page(page, columns, fast=fast)

    def _read_page(self, page: Page, names: Sequence[str], *, fast: bool) -> tuple[RecordBatch, tuple[Any, ...] | None]:
        """Return the records of a page, and time and key of its last row if there may be more."""
        with self._session() as connection:
            name = self._origin.resolve(connection)
            columns = self._columns(connection, name)
            time = self._time(connection, name, columns)
            roles = [role for role in names if role in columns and role != "timestamp"]
            key = self._origin.key(connection, name)
            self._keyed = bool(key)
            query = self._select(name, time, key, [columns[role] for role in roles], page)
            table = arrow.fetch(self._source, self._engine.dialect, query, self._arrow_calls) if fast else None
            rows = connection.execute(query, time.limits(page.start, page.end)).all() if table is None else []
        if table is not None:
            more = table.num_rows == page.size
            last = tuple(table.column(i)[-1].as_py() for i in range(1 + len(key))) if more else None
            return self._decoder.from_arrow(page, time, table, roles, len(key)), last
        batch = self._decoder.from_rows(page, time, rows, roles, len(key))
        return batch, tuple(rows[-1][: 1 + len(key)]) if key and len(rows) == page.size else None

    def _select(
        self,
        name: str,
        time: TimeColumn,
        key: Sequence[str],
        infos: Sequence[DatabaseColumn],
        page: Page,
    ) -> sa.Select[Any]:
        """Return the query of a page. Its order is total, so a page begins exactly after the previous one."""
        stamp, origin = self._dialect.stamp(time), self._from(name, page.start, [info.name for info in infos])

        def build() -> sa.Select[Any]:
            query = (
                sa.select(stamp.label("t"), *(raw(part).label(f"k{i}") for i, part in enumerate(key)))
                .add_columns(*(self._value(info).label(f"c{i}") for i, info in enumerate(infos)))
                .select_from(origin)
                .order_by(stamp, *(raw(part) for part in key))
            )
            return query.limit(page.size) if key else query

        query = self._remember((origin.text, page.size, *key, *infos), build, time, page.start, page.end)
        if page.after is None:
            return query
        after = sa.tuple_(stamp, *map(raw, key)) > sa.tuple_(*(sa.literal(value) for value in page.after))
        return query.where(after).params(time.limits(page.start, page.end))

    def condition(self, start: datetime, end: datetime) -> tuple[str, bool]:
        """Return the SQL condition of ``[start, end)`` in the dialect of the source, and whether it is exact."""
        time = self._clock
        if time is None:
            with self._session() as connection:
                name = self._origin.resolve(connection)
                time = self._time(connection, name, self._columns(connection, name))
        literal = self._within(time, start, end)
        options = {"literal_binds": True}
        return " ".join(str(literal.compile(self._engine, compile_kwargs=options)).split()), time.exact

    @property
    def dialect(self) -> str:
        """Return the name of the SQL dialect."""
        return self._engine.dialect.name

    # ------------------------------------------------------------------ inspection

    def newest(self) -> datetime | None:
        """Return the newest event time that is not in the future; None if there is none."""
        return self._edge(newest=True)

    def oldest(self) -> datetime | None:
        """Return the oldest event time."""
        return self._edge(newest=False)

    def _edge(self, *, newest: bool) -> datetime | None:
        with self._session() as connection:
            now = self._dialect.now(connection)
            name = self._origin.resolve(connection)
            time = self._time(connection, name, self._columns(connection, name))
            stamp = self._dialect.stamp(time)
            past = self._within(time, LONG_AGO, now + timedelta(seconds=1))
            query = sa.select(stamp).select_from(self._from(name, wanted=[])).where(past)
            query = query.order_by(stamp.desc() if newest else stamp.asc()).limit(50)
            seconds = time.seconds(connection.execute(query).scalars().all())
        seconds = seconds[np.isfinite(seconds) & (seconds <= now.timestamp() + 1)]
        if len(seconds) == 0:
            return None
        return datetime.fromtimestamp(float(seconds.max() if newest else seconds.min()), UTC)

    def describe(self, sample: int = 1000, until: datetime | None = None) -> list[ColumnInfo]:
        """Return every readable column, with statistics of the newest ``sample`` rows before ``until``."""
        time: TimeColumn | None = None
        with self._session() as connection:
            name = self._origin.resolve(connection)
            columns = self._columns(connection, name)
            query = sa.select(*(self._value(info).label(f"c{i}") for i, info in enumerate(columns.values())))
            query = query.select_from(self._from(name))
            if "timestamp" in columns:
                time = self._time(connection, name, columns)
                stamp = self._dialect.stamp(time)
                query = query.add_columns(stamp.label("t")).order_by(stamp.desc())
                if until is not None:
                    query = query.where(self._within(time, LONG_AGO, until))
            rows = self._sample(connection, query, sample, list(columns), time)
        middle = _middle(time, [row[-1] for row in rows]) if time is not None else None
        parts = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
        for place, role in enumerate(columns):
            if self._decoder.is_chat(role):
                parts[place] = tuple(self._decoder.column(role, parts[place]).values)
        infos = {
            role: summarize_column(
                role, info, list(reversed(values)), self._source, weak=self._dialect.weak, middle=middle
            )
            for (role, info), values in zip(columns.items(), parts[: len(columns)], strict=True)
        }
        if time is not None and rows:
            infos["timestamp"] = _with_newest(infos["timestamp"], time, parts[-1])
        return list(infos.values())

    def _sample(
        self,
        connection: Connection,
        query: sa.Select[Any],
        size: int,
        _roles: Sequence[str],
        _time: TimeColumn | None,
    ) -> Sequence[Row[Any]]:
        """Return the newest rows; each has a value for every role, and the time if there is a time column."""
        return connection.execute(query.limit(size)).all()


def _with_newest(info: ColumnInfo, time: TimeColumn, values: Sequence[Any]) -> ColumnInfo:
    """Add the newest time to the statistics of its column."""
    seconds = time.seconds(values)
    if not np.isfinite(seconds).any():
        return info
    place = int(np.nanargmax(seconds))
    newest = datetime.fromtimestamp(float(seconds[place]), UTC)
    return replace(info, newest=newest, naive=time.is_naive(values[place]))


def _middle(time: TimeColumn, stamps: Sequence[Any]) -> float | None:
    """Return the median event time in seconds since 1970; None without valid times."""
    seconds = time.seconds(stamps)
    seconds = seconds[np.isfinite(seconds)]
    return float(np.median(seconds)) if len(seconds) else None


def _inside(time: TimeColumn, rows: Sequence[Row[Any]], start: datetime, end: datetime) -> np.ndarray:
    seconds = time.seconds([row[0] for row in rows])
    return np.asarray((seconds >= start.timestamp()) & (seconds < end.timestamp()))
