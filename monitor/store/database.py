"""Connections to our database: SQLite by default, PostgreSQL for more than one replica."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

Columns = sa.ColumnCollection[str, sa.ColumnElement[object]]
"""Columns by name, such as those of the row that an insert would have written."""

BUSY_SECONDS = 30
BUSY_PAUSE = 0.02
DEAD_PEER = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""Options of libpq: a server that has vanished is noticed within half a minute, not after two hours."""


Connection = sa.Connection
"""What ``read`` and ``write`` give; named here so that nobody else needs to know SQLAlchemy."""

DatabaseError = sa.exc.SQLAlchemyError
"""What any use of a connection may raise."""


UNAVAILABLE_STATES = ("08", "25006", "40", "53", "55", "57", "58")
"""Beginnings of SQLSTATE: connection, read-only, rolled back, resources, object in use, operator, system."""
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
    """Say whether our database could not work at all, whatever it was asked for: away, full, locked, overloaded."""
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    original = error.orig
    if (code := getattr(original, "sqlite_errorcode", None)) is not None:
        return code & 0xFF in UNAVAILABLE_CODES
    if state := getattr(original, "sqlstate", None):
        return str(state).startswith(UNAVAILABLE_STATES)
    return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)  # a connection that broke has no state


_PLAIN = "postgresql+psycopg://user@host/name"


class StoreError(Exception):
    """Our own database cannot be used; the message says what to do."""


class Database:
    """Our database. ``write`` and ``read`` are the only ways to a connection."""

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
        """Open one transaction that may write; it commits on leaving and rolls back on any error."""
        with self.engine.connect() as connection, connection.begin():
            if self.dialect == "sqlite":
                # A deferred transaction that reads first and writes later fails at once when another
                # writer came between, whatever the busy timeout.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open one snapshot for reading."""
        with self.engine.connect() as connection, connection.begin():
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def now(connection: Connection) -> datetime:
    """Return the database's clock: leases of several replicas are compared by one clock only."""
    if connection.dialect.name == "postgresql":
        moment: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        return moment.astimezone(UTC)
    text = connection.exec_driver_sql("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')").scalar_one()
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def upsert(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, object]], /, **replace: object) -> None:
    """Insert rows; where the primary key stands already, set ``replace`` (values or expressions of excluded).

    With no ``replace`` the standing row is kept.
    """
    if not rows:
        return
    insert = insert_for(connection)(table)
    key = [column.name for column in table.primary_key]
    if not replace:
        connection.execute(insert.on_conflict_do_nothing(index_elements=key), rows)
        return
    chosen = {name: (value(insert.excluded) if callable(value) else value) for name, value in replace.items()}
    connection.execute(insert.on_conflict_do_update(index_elements=key, set_=chosen), rows)


def insert_for(connection: Connection) -> Callable[[sa.Table], postgresql.Insert | sqlite.Insert]:
    """Return the dialect's ``insert`` with ON CONFLICT."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite store, None for any other."""
    parsed = _with_driver(url)
    named = parsed.database if parsed.get_backend_name() == "sqlite" else None
    return Path(named) if named and not named.startswith((":memory:", "file:")) else None


def _with_driver(text: str) -> URL:
    try:
        url = make_url(text)
    except sa.exc.ArgumentError:
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
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
        sa.event.listen(engine, "do_connect", _create_private)
        sa.event.listen(engine, "connect", _set_up_sqlite)
        return engine
    return sa.create_engine(
        url,
        pool_size=3,
        max_overflow=2,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={"connect_timeout": 5, "application_name": "driftd", **DEAD_PEER},
    )


def _create_private(_dialect: object, _record: object, arguments: list[object], _options: object) -> None:
    """Create a store that is not there with access for its owner alone; SQLite gives its -wal and -shm the same mode.

    The mode of a store that is there is left as it is: somebody may have set it. Nor is it opened here, for closing it
    would give up the locks that SQLite holds on it. Where it cannot be created, SQLite says so.
    """
    name = str(arguments[0]) if arguments else ":memory:"
    if name and not name.startswith((":", "file:")):
        with suppress(OSError):
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are opened by hand, above
    _keep_a_log(connection)
    connection.execute("PRAGMA synchronous = FULL")


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on; while another process writes to a new file, SQLite refuses without waiting."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(BUSY_PAUSE)
