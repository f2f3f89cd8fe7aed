"""Open our database and the sources of a configuration, and close them afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from monitor.config.models import Config, Monitor
from monitor.sources.base import Reader
from monitor.sources.connect import connect_monitor
from monitor.store import migrate
from monitor.store.database import Database, DatabaseError, StoreError


@contextmanager
def open_store(config: Config, *, upgrade: bool = False) -> Iterator[Database]:
    """Open our database and check its schema; with ``upgrade`` migrate it to the schema of this version first."""
    database = Database(config.store.get_secret_value())
    try:
        if upgrade:
            migrate.upgrade(database)
        else:
            migrate.require_head(database)
        yield database
    finally:
        database.close()


@contextmanager
def open_store_or_empty(config: Config) -> Iterator[Database]:
    """Open our database; if there is none yet, an empty one that is removed afterwards."""
    database = Database(config.store.get_secret_value())
    try:
        migrate.require_head(database)
    except (DatabaseError, StoreError):
        database.close()
        with TemporaryDirectory() as folder:
            database = Database(f"sqlite:///{folder}/empty.db")
            try:
                migrate.upgrade(database)
                yield database
            finally:
                database.close()
        return
    try:
        yield database
    finally:
        database.close()


@contextmanager
def open_reader(monitor: Monitor) -> Iterator[Reader]:
    """Open a monitor's source."""
    reader = connect_monitor(monitor)
    try:
        yield reader
    finally:
        reader.close()
