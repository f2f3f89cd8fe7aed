"""Who may read what we write: files that may hold passwords or data of users are their owner's alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from monitor.cli import app
from monitor.store import migrate
from monitor.store.database import Database


@pytest.fixture(params=[0o022, 0o077, 0o000], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.mark.usefixtures("umask")
def test_a_new_store_and_its_log_are_private(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'driftd.db'}")
    migrate.upgrade(database)
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE more (n INTEGER)"))
        found = modes(tmp_path)
    database.close()
    assert found == {"driftd.db": 0o600, "driftd.db-wal": 0o600, "driftd.db-shm": 0o600}


def test_the_mode_of_a_store_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "driftd.db"
    path.touch(mode=0o640)
    path.chmod(0o640)
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.close()
    assert modes(tmp_path)["driftd.db"] == 0o640


@pytest.mark.usefixtures("umask")
def test_a_generated_configuration_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    url = f"sqlite:///{tmp_path / 'log.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE calls (id INTEGER PRIMARY KEY, created_at TEXT, amount REAL)")
        connection.exec_driver_sql("INSERT INTO calls VALUES (1, '2026-11-01 00:00:00', 2.5)")
    engine.dispose()
    done = CliRunner().invoke(app, ["init", "--url", url, "--table", "calls", "--out", str(folder / "driftd.yaml")])
    assert done.exit_code == 0, done.output
    assert modes(folder)["driftd.yaml"] == 0o600
