"""Connections to our database: SQLite by default, PostgreSQL for more than one replica."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url

from monitor.core.clock import Clock, SystemClock

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

Columns = sa.ColumnCollection[str, sa.ColumnElement[object]]
"""Columns by name, such as those of the excluded row of an upsert."""
Compute = Callable[[Columns], sa.ColumnElement[object]]
"""Computes a column from the excluded row of an upsert."""

BUSY_SECONDS = 30
BUSY_PAUSE = 0.02
DEAD_PEER = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""Options of libpq that detect an unreachable server within half a minute instead of two hours."""


Connection = sa.Connection
"""Type of the connections of ``read`` and ``write``; other layers import it instead of SQLAlchemy."""

DatabaseError = sa.exc.SQLAlchemyError
"""Errors that any use of a connection may raise."""


UNAVAILABLE_STATES = ("08", "25006", "40", "53", "55", "57", "58")
"""Classes of SQLSTATE: connection, read-only, rollback, resources, object in use, operator intervention, system."""
UNAVAILABLE_CODES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOMEM,
}


def is_unavailable(error: sa.exc.SQLAlchemyError) -> bool:
    """Return whether our database is unavailable for any statement: unreachable, full, locked or overloaded."""
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    original = error.orig
    if (code := getattr(original, "sqlite_errorcode", None)) is not None:
        return code & 0xFF in UNAVAILABLE_CODES
    if state := getattr(original, "sqlstate", None):
        return str(state).startswith(UNAVAILABLE_STATES)
    return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)  # a broken connection has no SQLSTATE


def is_full(error: sa.exc.SQLAlchemyError) -> bool:
    """Return whether a SQLite database cannot grow, because its disk is full."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_FULL


_PLAIN = "postgresql+psycopg://user@host:5432/name"


class StoreError(Exception):
    """Our own database cannot be used; the message tells the user what to do."""


class Database:
    """Our own database; ``write`` and ``read`` open its transactions."""

    def __init__(self, url: str) -> None:
        self.url = _with_driver(url)
        try:
            self.engine = _engine(self.url)
        except OSError as error:
            raise StoreError(f"the store {self.url!r} cannot be opened: {error.strerror}. Check `store:`.") from error
        except (ImportError, sa.exc.NoSuchModuleError):
            raise StoreError(f"the driver of the store {self.url!r} is not installed; write `{_PLAIN}`.") from None

    @property
    def dialect(self) -> str:
        """Return ``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a read-write transaction; commit at the end of the block, roll back on any error."""
        with self.engine.connect() as connection, connection.begin():
            if self.dialect == "sqlite":
                # A deferred transaction that reads first and writes later fails at once if another
                # writer commits in between, regardless of the busy timeout.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read-only transaction on one snapshot."""
        with self.engine.connect() as connection, connection.begin():
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def now(connection: Connection) -> datetime:
    """Return the database's clock, the only one by which leases of several replicas are compared."""
    if connection.dialect.name == "postgresql":
        moment: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        return moment.astimezone(UTC)
    text = connection.exec_driver_sql("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')").scalar_one()
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def decision_time(connection: Connection, clock: Clock) -> datetime:
    """Return the time for decisions about actions: that of the store, which does not depend on the host's clock.

    A clock of a test or of the demo takes precedence.
    """
    return now(connection) if isinstance(clock, SystemClock) else clock.now()


def upsert(
    connection: Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, object]],
    replace: Iterable[str] = (),
    compute: Iterable[tuple[str, Compute]] = (),
) -> None:
    """Insert rows; if the primary key exists, replace some columns by those of the new row, and compute others.

    Without both the existing row remains. The functions of ``compute`` are defined by modules, not by calls: the
    statement is built once for each combination.
    """
    if rows:
        connection.execute(_upsert(connection.dialect.name, table, tuple(replace), tuple(compute)), rows)


@lru_cache
def _upsert(
    dialect: str, table: sa.Table, replace: tuple[str, ...], compute: tuple[tuple[str, Compute], ...]
) -> sa.Insert:
    insert = insert_for(dialect)(table)
    key = [column.name for column in table.primary_key]
    if not replace and not compute:
        return insert.on_conflict_do_nothing(index_elements=key)
    new: Columns = insert.excluded
    columns = {**{name: new[name] for name in replace}, **{name: function(new) for name, function in compute}}
    return insert.on_conflict_do_update(index_elements=key, set_=columns)


def insert_for(dialect: str) -> Callable[[sa.Table], postgresql.Insert | sqlite.Insert]:
    """Return the ``insert`` with ON CONFLICT of a dialect."""
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite store, or None for PostgreSQL."""
    parsed = _with_driver(url)
    named = parsed.database if parsed.get_backend_name() == "sqlite" else None
    return Path(named) if named and not named.startswith((":memory:", "file:")) else None


def _with_driver(text: str) -> URL:
    try:
        url = make_url(text)
    except (sa.exc.ArgumentError, ValueError):  # ValueError: the port is no number
        raise StoreError(f"`store:` is not a database URL; write sqlite:///driftd.db or {_PLAIN}.") from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(f"the store can be SQLite or PostgreSQL, not {url.get_backend_name()!r}.")
    return url


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        if url.database and url.database != ":memory:":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        options = {"timeout": BUSY_SECONDS, "check_same_thread": False}
        engine = sa.create_engine(url, connect_args=options, hide_parameters=True)
        sa.event.listen(engine, "do_connect", _create_private)
        sa.event.listen(engine, "connect", _set_up_sqlite)
        return engine
    return sa.create_engine(
        url,
        pool_size=3,
        max_overflow=2,
        pool_pre_ping=True,
        pool_timeout=10,
        hide_parameters=True,  # errors are logged, and parameters are values of records
        connect_args={"connect_timeout": 5, "application_name": "driftd", **DEAD_PEER},
    )


def _create_private(_dialect: object, _record: object, arguments: list[object], _options: object) -> None:
    """Create a missing store with mode 0600; SQLite creates its -wal and -shm files with the same mode.

    The mode of an existing store is not changed, since the user may have set it. The file is not opened either, because
    closing it would release the locks that SQLite holds on it. If it cannot be created, SQLite raises the error.
    """
    name = str(arguments[0]) if arguments else ":memory:"
    if name and not name.startswith((":", "file:")):
        with suppress(OSError):
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # `write` and `read` begin transactions explicitly
    _keep_a_log(connection)
    connection.execute("PRAGMA synchronous = FULL")


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Enable the write-ahead log, with retries: SQLite fails at once while another process writes to a new file."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(BUSY_PAUSE)
