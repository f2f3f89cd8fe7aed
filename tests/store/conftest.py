"""A store of each kind, at its newest revision."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitor.store import migrate
from monitor.store.database import Database


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    made = Database(migrated_url)
    migrate.upgrade(made)
    yield made
    made.close()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    made = Database(sqlite_url)
    migrate.upgrade(made)
    yield made
    made.close()
