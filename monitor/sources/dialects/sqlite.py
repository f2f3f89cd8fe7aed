"""SQLite dialect: the file is opened read-only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from monitor.config.source import ColumnSpec
from monitor.sources.base import SourceError
from monitor.sources.dialects.base import DatabaseColumn, column_type, raw
from monitor.sources.times import TimeColumn


class SqliteDialect:
    """Times are texts or numbers; declared types are not enforced."""

    name = "sqlite"
    drivername = "sqlite"
    weak = True
    arrow = False

    def open(self, url: URL, timeout: timedelta) -> sa.Engine:
        path = Path(url.database or "")
        if not path.is_file():
            raise SourceError("missing_file", f"there is no SQLite file {url.database!r}; correct `source.url`.")
        address = f"sqlite:///file:{str(path.absolute()).replace('?', '%3f').replace('#', '%23')}?mode=ro&uri=true"
        return sa.create_engine(address, connect_args={"timeout": 5, "check_same_thread": False})

    def interrupt(self, connection: Any) -> None:  # noqa: ANN401
        connection.interrupt()

    def begin(self, connection: Connection, timeout: timedelta) -> None:
        """Do nothing: the file is opened read-only, and readers do not block writers."""

    def now(self, connection: Connection) -> datetime:
        moment = connection.exec_driver_sql("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')").scalar_one()
        return datetime.fromisoformat(moment).replace(tzinfo=UTC)

    def quiet_since(self, connection: Connection, end: datetime) -> bool | None:
        return True

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def moment(self, moment: datetime) -> str:
        return f"'{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}'"

    def other_schemas(self, connection: Connection) -> list[str]:
        return []  # no other databases are attached

    def exists(self, connection: Connection, name: str) -> bool:
        try:
            connection.exec_driver_sql(f"SELECT 1 FROM {name} LIMIT 0")
        except sa.exc.OperationalError as error:
            if "no such table" in str(error.orig):
                return False
            raise
        return True

    def readable(self, connection: Connection, name: str) -> bool:
        return True

    def columns(self, connection: Connection, name: str) -> list[DatabaseColumn]:
        schema, _, table = name.rpartition(".")
        pragma = f"PRAGMA {schema + '.' if schema else ''}table_xinfo({table})"
        rows = connection.exec_driver_sql(pragma).all()
        return [
            DatabaseColumn(str(row[1]), str(row[2]), column_type(str(row[2]))) for row in rows if row[6] in (0, 2, 3)
        ]

    def query_columns(self, connection: Connection, name: str) -> list[DatabaseColumn]:
        description: Any = connection.exec_driver_sql(f"SELECT * FROM {name} LIMIT 0").cursor.description
        return [DatabaseColumn(str(item[0]), "", "unknown") for item in description]

    def key(self, connection: Connection, name: str) -> list[str]:
        _, _, table = name.rpartition(".")
        rows = connection.exec_driver_sql(f"PRAGMA table_info({table})").all()
        keys = [str(row[1]) for row in sorted((r for r in rows if r[5]), key=lambda r: r[5])]
        return keys or self._rowid(connection, name, table)

    def _rowid(self, connection: Connection, name: str, table: str) -> list[str]:
        try:
            connection.exec_driver_sql(f"SELECT rowid FROM {name} LIMIT 0")
        except sa.exc.OperationalError:
            return []
        plain = table[1:-1].replace('""', '"')
        kind = connection.execute(
            sa.text("SELECT type FROM sqlite_master WHERE name = :name"), {"name": plain}
        ).scalar_one_or_none()
        return ["rowid"] if kind == "table" else []

    def time(self, spec: ColumnSpec, column: DatabaseColumn) -> TimeColumn | None:
        return None

    def stamp(self, time: TimeColumn) -> sa.ColumnElement[Any]:
        return raw(time.spec.column)

    def bounds(self, time: TimeColumn, start: datetime, end: datetime) -> Sequence[sa.ColumnElement[bool]]:
        return []

    def value(self, info: DatabaseColumn, limit: int) -> sa.ColumnElement[Any]:
        column = raw(info.name)
        # substr stops at NUL in a text but not in a blob; a code point has at most four bytes.
        cut = sa.func.substr(sa.cast(column, sa.LargeBinary), 1, 4 * limit)
        return sa.case((sa.func.typeof(column).in_(["text", "blob"]), cut), else_=column)


DIALECT = SqliteDialect()
