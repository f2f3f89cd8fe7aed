"""Rows are deleted on a full disk: a deletion needs room for the log of SQLite, which is reserved."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.config.models import Config
from monitor.jobs import retention
from monitor.store import migrate, tables
from monitor.store.database import Database, DatabaseError, is_full
from monitor.store.reserve import BYTES, ROOM
from tests.support.tools import missing

START = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = {"url": "sqlite:///log.db", "table": "log", "columns": {"timestamp": "at"}}
CONFIG = Config.model_validate({"monitors": [{"name": "bot", "source": SOURCE}]})
ENTRY = {
    **dict.fromkeys(("by", "role", "channel", "operation", "result", "subject_kind", "subject"), "x"),
    **{"monitor": "bot", "detail": {}, "verified": True, "at": START - timedelta(days=3000), "reason": "x" * 20_000},
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small file system in memory."""
    size = ROOM + BYTES // 2
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(tmp_path)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        missing("a small file system", "run as root, who may mount one")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def fill(database: Database, disk: Path) -> None:
    """Add expired entries of the audit log until the disk is full, and let another program use what is left."""
    for size in (20, 1):
        with pytest.raises(DatabaseError) as failure:
            for _ in range(10_000):
                with database.write() as connection:
                    connection.execute(sa.insert(tables.audit), [ENTRY] * size)
        assert is_full(failure.value)
    with suppress(OSError), (disk / "other").open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(tables.audit)).scalar_one())


def test_old_rows_are_deleted_on_a_full_disk_and_the_store_can_be_written_to_again(disk: Path) -> None:
    database = Database(f"sqlite:///{disk}/driftd.db")
    migrate.upgrade(database)
    retention.run(database, CONFIG)
    reserve = disk / "driftd.db-reserve"
    assert reserve.stat().st_blocks * 512 == BYTES
    fill(database, disk)
    with database.engine.connect() as connection, pytest.raises(DatabaseError):
        connection.exec_driver_sql("DELETE FROM audit WHERE id = 1")
    with database.engine.connect() as connection:
        assert count(database) > 1000
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM store_sizes").scalar_one() > 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retention, "EVERY", timedelta(0))
        patch.setattr(retention, "LOOK_AGAIN", timedelta(0))
        retention.run(database, CONFIG)
    assert count(database) == 0
    assert not reserve.exists(), "there is no room for it yet"
    with database.write() as connection:
        connection.execute(sa.insert(tables.audit), [ENTRY] * 20)
    database.close()
