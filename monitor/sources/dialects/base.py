"""What the reader asks of a database, and the words for what it finds there."""

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
    """One column of theirs."""

    name: str
    database_type: str
    type: ColumnType


def column_type(database_type: str) -> ColumnType:
    """Return our word for a database's type."""
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
    """Return one of their columns, its name quoted whatever it is."""
    return sa.column(column if column == "rowid" else sa.sql.quoted_name(column, True))


class Dialect(Protocol):
    """What differs from database to database: sessions, clocks, catalogues, and how values travel.

    ``weak`` says that declared types bind nobody; ``arrow`` that large pages may go through ADBC.
    """

    name: str
    drivername: str
    weak: bool
    arrow: bool

    def open(self, url: URL, timeout: timedelta) -> sa.Engine:
        """Make an engine that cannot write."""

    def interrupt(self, connection: Any) -> None:  # noqa: ANN401
        """Make a call fail that waits in another thread for this connection of the driver."""

    def begin(self, connection: Connection, timeout: timedelta) -> None:
        """Make a transaction read-only and short."""

    def now(self, connection: Connection) -> datetime:
        """Return the database's clock in UTC."""

    def quiet_since(self, connection: Connection, end: datetime) -> bool | None:
        """Say whether no transaction older than ``end`` is open; None when that cannot be seen."""

    def quoted(self, name: str) -> str:
        """Quote a name, so that any is safe."""

    def moment(self, moment: datetime) -> str:
        """Return a time as SQL."""

    def other_schemas(self, connection: Connection) -> list[str]:
        """Return the schemas that this role may use, without those of the database itself and the connection's own."""

    def exists(self, connection: Connection, name: str) -> bool:
        """Say whether there is a table or view of this quoted name."""

    def readable(self, connection: Connection, name: str) -> bool:
        """Say whether this role may read a table that exists."""

    def columns(self, connection: Connection, name: str) -> list[DatabaseColumn]:
        """Return the columns of a table or view in their order."""

    def query_columns(self, connection: Connection, name: str) -> list[DatabaseColumn]:
        """Return the columns of a query in parentheses."""

    def key(self, connection: Connection, name: str) -> list[str]:
        """Return the columns that name a row of a table; none when nothing does."""

    def time(self, spec: ColumnSpec, column: DatabaseColumn) -> TimeColumn | None:
        """Return how a column of times is compared and read; None for a text."""

    def stamp(self, time: TimeColumn) -> sa.ColumnElement[Any]:
        """Return the event's time as it is compared, sorted by and selected."""

    def bounds(self, time: TimeColumn, start: datetime, end: datetime) -> Sequence[sa.ColumnElement[bool]]:
        """Return conditions that follow from ``start <= time < end`` and that only help an index."""

    def value(self, info: DatabaseColumn, limit: int) -> sa.ColumnElement[Any]:
        """Return a column as it travels: numbers as doubles, texts cut where they are, nothing too large."""
