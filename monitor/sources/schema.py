"""Resolve the table, view or query of a source and read its columns, without caching."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.config.presets.base import SINCE
from monitor.config.source import Source
from monitor.sources.base import SourceError
from monitor.sources.dialects.base import DatabaseColumn, Dialect

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Origin:
    """The table, view or query that a source reads from."""

    def __init__(self, source: Source, dialect: Dialect) -> None:
        self._source = source
        self._dialect = dialect

    def candidates(self) -> list[str]:
        """Return the possible quoted names of the table: the whole name, then schema and name split at the dot."""
        name, quoted = self._source.table or "", self._dialect.quoted
        split = ".".join(quoted(part) for part in name.split(".", 1))
        return [quoted(name), split] if "." in name else [quoted(name)]

    def resolve(self, connection: Connection) -> str:
        """Return the SQL after FROM; raises SourceError if the table does not exist."""
        if self._source.query is not None:
            return as_subquery(self._source.query)
        for name in self.candidates():
            if self._dialect.exists(connection, name):
                return name
        raise SourceError(
            "missing_table",
            f"there is no such table or view: {self._source.table!r}. Found: {', '.join(tables(connection)[:20])}.",
        )

    def columns(self, connection: Connection, name: str) -> list[DatabaseColumn]:
        """Return the columns in order."""
        if self._source.query is not None:
            return self._dialect.query_columns(connection, name.replace(SINCE, self._dialect.moment(EPOCH)))
        return self._dialect.columns(connection, name)

    def key(self, connection: Connection, name: str) -> list[str]:
        """Return the columns that identify a row: `source.key`, else the primary key; none for views and queries."""
        if self._source.key or self._source.query is not None:
            return self._source.key
        return self._dialect.key(connection, name)


def as_subquery(query: str) -> str:
    """Return a query as a subquery for use after FROM."""
    return f"({query.strip().rstrip(';')}) AS records"


def tables(connection: Connection, schema: str | None = None) -> list[str]:
    """Return the names of all tables and views of a schema, by default the default schema, sorted."""
    inspector = sa.inspect(connection)
    return sorted([*inspector.get_table_names(schema), *inspector.get_view_names(schema)])
