"""What columns a table, a view or a query has: asked anew each time, so that nothing stale is believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.sources.base import ColumnType, SourceError
from monitor.sourcespec import Source

NUMERIC = ("int", "real", "floa", "doub", "numeric", "decimal", "money", "serial")


@dataclass(frozen=True)
class Found:
    """One column of theirs."""

    name: str
    database_type: str
    type: ColumnType


def kind_of(database_type: str) -> ColumnType:
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


def quoted(name: str) -> str:
    """Quote a name as both dialects do, so that any name is safe."""
    return '"' + name.replace('"', '""') + '"'


class Origin:
    """The FROM of a source."""

    def __init__(self, source: Source, engine: sa.Engine) -> None:
        self._source = source
        self._sqlite = engine.dialect.name == "sqlite"

    def candidates(self) -> list[str]:
        """Return the quoted names that the table may have: as it stands, then split at its dot."""
        name = self._source.table or ""
        split = ".".join(quoted(part) for part in name.split(".", 1))
        return [quoted(name), split] if "." in name else [quoted(name)]

    def resolve(self, connection: Connection) -> str:
        """Return the SQL that stands after FROM; raises when there is no such table."""
        if self._source.query is not None:
            return f"({self._source.query.strip().rstrip(';')}) AS records"
        for name in self.candidates():
            if self._exists(connection, name):
                return name
        raise SourceError(
            "missing_table",
            f"there is no such table or view: {self._source.table!r}. "
            f"Found: {', '.join(self._tables(connection)[:20])}.",
        )

    def _exists(self, connection: Connection, name: str) -> bool:
        if self._sqlite:
            try:
                connection.exec_driver_sql(f"SELECT 1 FROM {name} LIMIT 0")
            except sa.exc.OperationalError as error:
                if "no such table" in str(error.orig):
                    return False
                raise
            return True
        found = connection.execute(sa.text("SELECT to_regclass(:name) IS NOT NULL"), {"name": name})
        return bool(found.scalar_one())

    def _tables(self, connection: Connection) -> list[str]:
        inspector = sa.inspect(connection)
        return sorted([*inspector.get_table_names(), *inspector.get_view_names()])

    def columns(self, connection: Connection, name: str) -> list[Found]:
        """Return the columns in their order."""
        if self._source.query is not None:
            return self._query_columns(connection, name)
        if self._sqlite:
            schema, _, table = name.rpartition(".")
            pragma = f"PRAGMA {schema + '.' if schema else ''}table_xinfo({table})"
            rows = connection.exec_driver_sql(pragma).all()
            return [Found(str(row[1]), str(row[2]), kind_of(str(row[2]))) for row in rows if row[6] in (0, 2, 3)]
        rows = connection.execute(
            sa.text(
                "SELECT attname, format_type(atttypid, atttypmod), typtype FROM pg_attribute "
                "JOIN pg_type ON pg_type.oid = atttypid "
                "WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
            ),
            {"name": name},
        ).all()
        return [Found(row[0], row[1], "text" if row[2] == "e" else kind_of(row[1])) for row in rows]

    def _query_columns(self, connection: Connection, name: str) -> list[Found]:
        query = f"SELECT * FROM {name} LIMIT 0"
        # psycopg takes a percent sign for a placeholder, even where there are no parameters.
        result = connection.exec_driver_sql(query if self._sqlite else query.replace("%", "%%"))
        description: Any = result.cursor.description
        names = [str(item[0]) for item in description]
        if self._sqlite:
            return [Found(column, "", "unknown") for column in names]
        codes = [int(item[1]) for item in description]
        result.close()
        known = {
            int(row[0]): str(row[1])
            for row in connection.execute(
                sa.text("SELECT oid::bigint, format_type(oid, NULL) FROM pg_type WHERE oid = ANY(:codes)"),
                {"codes": codes},
            )
        }
        types = [str(known.get(code, "")) for code in codes]
        return [Found(column, kind, kind_of(kind)) for column, kind in zip(names, types, strict=True)]

    def key(self, connection: Connection, name: str) -> list[str]:
        """Return the columns that name a row: the primary key, or the row's own number; none for views."""
        if self._source.query is not None:
            return []
        if self._sqlite:
            _, _, table = name.rpartition(".")
            rows = connection.exec_driver_sql(f"PRAGMA table_info({table})").all()
            keys = [str(row[1]) for row in sorted((r for r in rows if r[5]), key=lambda r: r[5])]
            return keys or self._rowid(connection, name)
        rows = connection.execute(
            sa.text(
                "SELECT a.attname FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(num, place) "
                "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num "
                "WHERE i.indrelid = to_regclass(:name) AND i.indisprimary ORDER BY k.place"
            ),
            {"name": name},
        ).all()
        return [str(row[0]) for row in rows]

    def _rowid(self, connection: Connection, name: str) -> list[str]:
        try:
            connection.exec_driver_sql(f"SELECT rowid FROM {name} LIMIT 0")
        except sa.exc.OperationalError:
            return []
        kind = connection.execute(
            sa.text("SELECT type FROM sqlite_master WHERE name = :name"), {"name": self._source.table}
        ).scalar_one_or_none()
        return ["rowid"] if kind == "table" else []
