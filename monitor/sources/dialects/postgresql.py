"""PostgreSQL dialect: each call is a short read-only transaction."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from monitor.config.source import ColumnSpec
from monitor.sources.dialects.base import DatabaseColumn, column_type, raw
from monitor.sources.times import TimeColumn

CATALOGUE = (
    "SELECT attname, format_type(atttypid, atttypmod), typtype, has_column_privilege(attrelid, attnum, 'SELECT') "
    "FROM pg_attribute "
    "JOIN pg_type ON pg_type.oid = atttypid "
    "WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)
SCHEMAS = (
    "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' "
    "AND nspname IS DISTINCT FROM current_schema() AND has_schema_privilege(oid, 'USAGE') ORDER BY nspname"
)
PRIMARY_KEY = (
    "SELECT a.attname, has_column_privilege(a.attrelid, a.attnum, 'SELECT') "
    "FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(num, place) "
    "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num "
    "WHERE i.indrelid = to_regclass(:name) AND i.indisprimary ORDER BY k.place"
)
SEES_OTHERS = (
    "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') OR rolsuper "
    "FROM pg_roles WHERE rolname = current_user"
)
NOBODY_OLDER = (
    "SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
    "AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start < :end) "
    "AND NOT EXISTS (SELECT 1 FROM pg_prepared_xacts WHERE database = current_database() AND prepared < :end)"
)


class PostgresqlDialect:
    """Types are enforced, times have a zone or not, and large pages can be read through ADBC."""

    name = "postgresql"
    drivername = "postgresql+psycopg"
    weak = False
    arrow = True

    def open(self, url: URL, timeout: timedelta) -> sa.Engine:
        return sa.create_engine(
            url,
            pool_size=1,
            max_overflow=2,
            pool_pre_ping=True,
            pool_timeout=5,
            connect_args={"connect_timeout": 5, "application_name": "driftd", "prepare_threshold": None},
        )

    def interrupt(self, connection: Any) -> None:  # noqa: ANN401
        with socket.socket(fileno=os.dup(connection.fileno())) as copy:
            copy.shutdown(socket.SHUT_RDWR)

    def begin(self, connection: Connection, timeout: timedelta) -> None:
        milliseconds = int(timeout.total_seconds() * 1000)
        connection.exec_driver_sql(
            "SET TRANSACTION READ ONLY; "
            f"SET LOCAL statement_timeout = {milliseconds}; SET LOCAL lock_timeout = {milliseconds}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {5 * milliseconds}"
        )

    def now(self, connection: Connection) -> datetime:
        moment: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        return moment.astimezone(UTC)

    def quiet_since(self, connection: Connection, end: datetime) -> bool | None:
        if not connection.exec_driver_sql(SEES_OTHERS).scalar_one_or_none():
            return None
        return bool(connection.execute(sa.text(NOBODY_OLDER), {"end": end}).scalar_one())

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def moment(self, moment: datetime) -> str:
        return f"'{moment.isoformat()}'::timestamptz"

    def other_schemas(self, connection: Connection) -> list[str]:
        return [str(name) for name in connection.execute(sa.text(SCHEMAS)).scalars()]

    def exists(self, connection: Connection, name: str) -> bool:
        result = connection.execute(sa.text("SELECT to_regclass(:name) IS NOT NULL"), {"name": name})
        return bool(result.scalar_one())

    def readable(self, connection: Connection, name: str) -> bool:
        query = sa.text("SELECT has_table_privilege(to_regclass(:name), 'SELECT')")
        return bool(connection.execute(query, {"name": name}).scalar_one())

    def columns(self, connection: Connection, name: str) -> list[DatabaseColumn]:
        rows = connection.execute(sa.text(CATALOGUE), {"name": name}).all()
        rows = [row for row in rows if row[3]] or rows  # if no column is readable, the read fails with the error
        return [DatabaseColumn(row[0], row[1], "text" if row[2] == "e" else column_type(row[1])) for row in rows]

    def query_columns(self, connection: Connection, name: str) -> list[DatabaseColumn]:
        # psycopg parses percent signs as placeholders even without parameters.
        result = connection.exec_driver_sql(f"SELECT * FROM {name} LIMIT 0".replace("%", "%%"))
        description: Any = result.cursor.description
        result.close()
        codes = [int(item[1]) for item in description]
        rows = connection.execute(
            sa.text("SELECT oid::bigint, format_type(oid, NULL), typtype FROM pg_type WHERE oid = ANY(:codes)"),
            {"codes": codes},
        ).all()
        type_names = {int(code): (str(name), str(sort)) for code, name, sort in rows}
        types = [type_names.get(code, ("", "")) for code in codes]
        return [
            DatabaseColumn(str(item[0]), kind, "text" if sort == "e" else column_type(kind))
            for item, (kind, sort) in zip(description, types, strict=True)
        ]

    def key(self, connection: Connection, name: str) -> list[str]:
        rows = connection.execute(sa.text(PRIMARY_KEY), {"name": name}).all()
        return [str(row[0]) for row in rows] if all(row[1] for row in rows) else []

    def time(self, spec: ColumnSpec, column: DatabaseColumn) -> TimeColumn | None:
        if column.type != "time":
            return None
        return TimeColumn(spec, "zoned" if "with time zone" in column.database_type else "naive")

    def stamp(self, time: TimeColumn) -> sa.ColumnElement[Any]:
        column = raw(time.spec.column)
        return sa.collate(column, "C") if time.kind == "text" else column

    def bounds(self, time: TimeColumn, start: datetime, end: datetime) -> Sequence[sa.ColumnElement[bool]]:
        return []

    def value(self, info: DatabaseColumn, limit: int) -> sa.ColumnElement[Any]:
        column = raw(info.name)
        if info.type == "numeric":
            whole = info.database_type in ("integer", "bigint", "smallint")
            return column if whole else sa.cast(column, sa.Double)
        if info.type == "boolean":
            return column
        if info.database_type == "bytea":
            return sa.func.substr(column, 1, 4 * limit)
        return sa.func.left(sa.cast(column, sa.Text), limit)


DIALECT = PostgresqlDialect()
