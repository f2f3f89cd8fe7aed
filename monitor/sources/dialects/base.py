"""Protocol of dialects, and the mapping of database types to column types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from monitor.config.source import ColumnSpec
from monitor.sources.base import ColumnType
from monitor.sources.times import TimeColumn

NUMERIC = ("int", "real", "floa", "doub", "numeric", "decimal", "money", "serial")


@dataclass(frozen=True)
class DatabaseColumn:
    """A column of a table or query of the source."""

    name: str
    database_type: str
    type: ColumnType


def column_type(database_type: str) -> ColumnType:
    """Return the column type of a database type."""
    text = database_type.lower()
    if "bool" in text:
        return "boolean"
    if "interval" in text or "[]" in text:
        return "unknown"
    if any(word in text for word in NUMERIC):
        return "numeric"
    if "json" in text:
        return "json"
    if any(word in text for word in ("timestamp", "date", "time")):
        return "time"
    if any(word in text for word in ("char", "text", "clob", "uuid", "enum", "name", "user-defined")):
        return "text"
    return "unknown"


def raw(column: str) -> sa.ColumnElement[Any]:
    """Return a column of the source with its name quoted."""
    return sa.column(column if column == "rowid" else sa.sql.quoted_name(column, True))


class Dialect(Protocol):
    """Differences between databases: sessions, clocks, catalogues, and the transfer of values.

    ``weak``: whether declared types are not enforced. ``arrow``: whether large pages can be read through ADBC.
    """

    name: str
    drivername: str
    weak: bool
    arrow: bool

    def open(self, url: URL, timeout: timedelta) -> sa.Engine:
        """Return a read-only engine."""

    def interrupt(self, connection: Any) -> None:  # noqa: ANN401
        """Make a call on this connection that another thread waits for fail."""

    def begin(self, connection: Connection, timeout: timedelta) -> None:
        """Make the transaction read-only and set its timeouts."""

    def now(self, connection: Connection) -> datetime:
        """Return the time of the database's clock in UTC."""

    def quiet_since(self, connection: Connection, end: datetime) -> bool | None:
        """Return whether no transaction started before ``end`` is open; None if this role cannot see transactions."""

    def quoted(self, name: str) -> str:
        """Return a quoted identifier."""

    def moment(self, moment: datetime) -> str:
        """Return a time as a SQL literal."""

    def other_schemas(self, connection: Connection) -> list[str]:
        """Return the schemas that this role may use, except system schemas and the default schema."""

    def exists(self, connection: Connection, name: str) -> bool:
        """Return whether a table or view with this quoted name exists."""

    def readable(self, connection: Connection, name: str) -> bool:
        """Return whether this role may read an existing table."""

    def columns(self, connection: Connection, name: str) -> list[DatabaseColumn]:
        """Return the columns of a table or view in order."""

    def query_columns(self, connection: Connection, name: str) -> list[DatabaseColumn]:
        """Return the columns of a query in parentheses."""

    def key(self, connection: Connection, name: str) -> list[str]:
        """Return the columns that identify a row of a table; empty if there are none."""

    def time(self, spec: ColumnSpec, column: DatabaseColumn) -> TimeColumn | None:
        """Return how a column of times is compared and parsed; None for a text column."""

    def stamp(self, time: TimeColumn) -> sa.ColumnElement[Any]:
        """Return the expression of the event time that is compared, sorted by and selected."""

    def bounds(self, time: TimeColumn, start: datetime, end: datetime) -> Sequence[sa.ColumnElement[bool]]:
        """Return redundant conditions implied by ``start <= time < end`` that allow the use of an index."""

    def value(self, info: DatabaseColumn, limit: int) -> sa.ColumnElement[Any]:
        """Return the expression by which a column is read: numbers as doubles, texts truncated by the database."""
