"""Stores at the newest revision, copied from one that was migrated once, instead of migrated each for itself."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock

from monitor.store import migrate
from monitor.store.database import Database
from tests.support.postgres import Server

migrate_store = migrate.upgrade
"""What `monitor.store.migrate.upgrade` is outside of the tests."""

_lock = Lock()


def copy_or_migrate(database: Database) -> str:
    """Bring a store to the newest revision; an empty one of SQLite by copying."""
    if database.dialect != "sqlite":
        return migrate_store(database)
    with _lock, database.engine.connect() as connection:
        if connection.exec_driver_sql("SELECT 1 FROM sqlite_master LIMIT 1").first() is None:
            template, revision = make_template()
            template.backup(connection.connection.driver_connection)  # type: ignore[arg-type]
            return revision
    return migrate_store(database)


@cache
def make_template() -> tuple[sqlite3.Connection, str]:
    """Return a migrated store in memory, and its revision."""
    template = sqlite3.connect(":memory:", check_same_thread=False)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'driftd.db'}")
        revision = migrate_store(database)
        with database.engine.connect() as connection:
            connection.connection.driver_connection.backup(template)  # type: ignore[union-attr]
        database.close()
    return template, revision


@contextmanager
def postgres_template(server: Server) -> Iterator[str]:
    """Lend the name of a database that others are copied from."""
    with server.database() as url:
        database = Database(url)
        migrate_store(database)
        database.close()
        yield str(database.engine.url.database)
