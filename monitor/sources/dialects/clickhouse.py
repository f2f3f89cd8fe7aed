"""ClickHouse dialect, over HTTP with clickhouse-connect (`driftd[clickhouse]`).

There are no transactions: each page is a separate query, and the rows of an insert appear together. Times are compared
and sorted as integer nanoseconds, since the driver's times have microseconds only and a page must begin exactly after
the previous one; a redundant condition on the column itself allows the engine to skip parts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from monitor.config.source import ColumnSpec
from monitor.sources.base import ColumnType, SourceError
from monitor.sources.dialects.base import DatabaseColumn, raw
from monitor.sources.times import TimeColumn

WRAPPED = re.compile(r"^(?:Nullable|LowCardinality|SimpleAggregateFunction)\((?:\w+, )?(.*)\)$")
KINDS: dict[str, ColumnType] = {
    "Bool": "boolean",
    "Map": "json",
    "Array": "json",
    "Tuple": "json",
    "JSON": "json",
    "Object": "json",
    "Nested": "json",
    "String": "text",
    "FixedString": "text",
    "UUID": "text",
    "Enum8": "text",
    "Enum16": "text",
    "IPv4": "text",
    "IPv6": "text",
    "Date": "time",
    "Date32": "time",
    "DateTime": "time",
    "DateTime64": "time",
}
NUMBERS = ("Int", "UInt", "Float", "BFloat", "Decimal")


def column_type(database_type: str) -> ColumnType:
    """Return the column type of a ClickHouse type.

    Examples
    --------
    >>> types = ("Nullable(Decimal(18, 12))", "LowCardinality(Nullable(String))", "Map(String, UInt64)")
    >>> [column_type(each) for each in types]
    ['numeric', 'text', 'json']
    """
    name = database_type
    while (inner := WRAPPED.match(name)) is not None:
        name = inner.group(1)
    head = name.partition("(")[0]
    return "numeric" if head.startswith(NUMBERS) else KINDS.get(head, "unknown")


class ClickhouseDialect:
    """Types are enforced; rows have no unique key unless `source.key` is set."""

    name = "clickhousedb"
    drivername = "clickhousedb"
    weak = False
    arrow = False

    def open(self, url: URL, timeout: timedelta) -> sa.Engine:
        if find_spec("clickhouse_connect") is None:
            raise SourceError("configuration", "ClickHouse needs its driver: install `driftd[clickhouse]`.")
        seconds = timeout.total_seconds()
        settings = {
            "readonly": "2",
            "max_execution_time": f"{seconds:g}",
            "prefer_column_name_to_alias": "1",  # names of columns may equal aliases of the query
            "connect_timeout": 5,
            "send_receive_timeout": seconds + 5,
        }
        return sa.create_engine(url, pool_size=1, max_overflow=2, pool_timeout=5, connect_args=settings)

    def interrupt(self, connection: Any) -> None:  # noqa: ANN401
        """Do nothing: the driver enforces `send_receive_timeout` and gives no access to its socket."""

    def begin(self, connection: Connection, timeout: timedelta) -> None:
        """Do nothing: every query is sent read-only and with a time limit."""

    def now(self, connection: Connection) -> datetime:
        micros = connection.exec_driver_sql("SELECT toUnixTimestamp64Micro(now64(6))").scalar_one()
        return datetime.fromtimestamp(int(micros) / 1e6, UTC)

    def quiet_since(self, connection: Connection, end: datetime) -> bool | None:
        """Return None: running inserts are not visible, so `settle:` must be long enough."""
        return None

    def quoted(self, name: str) -> str:
        return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def moment(self, moment: datetime) -> str:
        return f"fromUnixTimestamp64Milli(toInt64({max(0, int(moment.timestamp())) * 1000}))"

    def other_schemas(self, connection: Connection) -> list[str]:
        own = "lower(name) NOT IN ('system', 'information_schema') AND name <> currentDatabase()"
        rows = connection.exec_driver_sql(f"SELECT name FROM system.databases WHERE {own} ORDER BY name").scalars()
        return [str(name) for name in rows]

    def exists(self, connection: Connection, name: str) -> bool:
        return bool(connection.exec_driver_sql(f"EXISTS TABLE {name}").scalar_one())

    def readable(self, connection: Connection, name: str) -> bool:
        return True  # tables without a grant are not visible

    def columns(self, connection: Connection, name: str) -> list[DatabaseColumn]:
        return self._described(connection, name)

    def query_columns(self, connection: Connection, name: str) -> list[DatabaseColumn]:
        return self._described(connection, f"(SELECT * FROM {name})")

    def _described(self, connection: Connection, what: str) -> list[DatabaseColumn]:
        rows = connection.exec_driver_sql(f"DESCRIBE TABLE {what}".replace("%", "%%")).all()
        return [DatabaseColumn(str(row[0]), str(row[1]), column_type(str(row[1]))) for row in rows]

    def key(self, connection: Connection, name: str) -> list[str]:
        return []

    def time(self, spec: ColumnSpec, column: DatabaseColumn) -> TimeColumn | None:
        if column.type != "time":
            return None
        return TimeColumn(spec.model_copy(update={"unit": "ns"}), "epoch", instant=True)

    def stamp(self, time: TimeColumn) -> sa.ColumnElement[Any]:
        column = raw(time.spec.column)
        return sa.func.toUnixTimestamp64Nano(sa.func.toDateTime64(column, 9)) if time.instant else column

    def bounds(self, time: TimeColumn, start: datetime, end: datetime) -> Sequence[sa.ColumnElement[bool]]:
        if not time.instant:
            return []
        column = raw(time.spec.column)
        first, last = (int(moment.timestamp()) for moment in (start, end + timedelta(seconds=1)))
        return [
            column >= sa.func.fromUnixTimestamp64Milli(sa.func.toInt64(first * 1000)),
            column <= sa.func.fromUnixTimestamp64Milli(sa.func.toInt64(last * 1000)),
        ]

    def value(self, info: DatabaseColumn, limit: int) -> sa.ColumnElement[Any]:
        column = raw(info.name)
        if info.type == "numeric":
            return sa.func.toFloat64(column)
        if info.type == "boolean":
            return column
        text = sa.func.toJSONString(column) if info.type == "json" else sa.func.toString(column)
        return sa.func.substringUTF8(text, 1, limit)


DIALECT = ClickhouseDialect()
