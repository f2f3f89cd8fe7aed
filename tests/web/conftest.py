"""A seeded store and a real server on a free port of loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest

from monitor.config.models import Config
from monitor.core.clock import Clock, SystemClock
from monitor.store.database import Database
from monitor.web.app import create_app
from monitor.web.server import Server
from tests.web.seed import Seed, configuration

Serve = Callable[..., httpx.Client]


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    """Lend an empty SQLite store, whose file is made by the first use."""
    store = Database(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def seed(database: Database) -> Seed:
    """Lend the store's builder."""
    return Seed(database)


@pytest.fixture
def serve(database: Database) -> Iterator[Serve]:
    """Start servers; each call returns a client of a new one."""
    ended: list[Callable[[], None]] = []

    def start(config: Config | None = None, store: Database | None = None, clock: Clock | None = None) -> httpx.Client:
        store = store or database
        settings = config or configuration(str(store.url))
        server = Server(create_app(store, settings, clock or SystemClock()), settings.server.listen)
        server.start()
        client = httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60)
        ended.extend([server.stop, client.close])
        return client

    yield start
    for end in reversed(ended):
        end()


def with_token(url: str, token: str = "correct horse", names: Sequence[str] = ("bot",), **more: Any) -> Config:
    """Return a configuration that asks for a token."""
    return configuration(url, names, token=token, **more)
