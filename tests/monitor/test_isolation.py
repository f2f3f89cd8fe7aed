"""One job a monitor: what hangs or takes long in one delays no other, and the daemon ends without it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from monitor import daemon as daemon_module
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.daemon import Daemon
from monitor.jobs.catch_up import CatchUpJob
from monitor.jobs.liveness import STANDSTILL
from monitor.jobs.source_session import SourceSession
from monitor.sources.base import SourceError
from monitor.store import buckets
from monitor.store.database import Database
from monitor.store.tables import watches
from tests.support.hand import Hand
from tests.support.process import eventually
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)


@pytest.fixture
def database(tmp_path: Path, migrated_url: str) -> Iterator[Database]:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}", migrated_url)
    world.log(rows_of(START, 4 * HOUR))
    baseline = {"from": START.isoformat(), "to": (START + 2 * HOUR).isoformat(), "min_rows": 100}
    world.configure(baseline=baseline, catch_up="3650d")
    with open_store(load(tmp_path / "driftd.yaml"), upgrade=True) as made:
        yield made
    world.close()


def daemon_of(database: Database, tmp_path: Path) -> Daemon:
    """Return a daemon of two monitors, `bad` and `good`, over the same log."""
    config = load(tmp_path / "driftd.yaml")
    one = config.monitors[0]
    config = config.model_copy(update={"monitors": [one.model_copy(update={"name": n}) for n in ("bad", "good")]})
    made = make_daemon(database, config, Hand(START + 3 * HOUR))
    made.every = timedelta(seconds=0.05)
    return made


def finished(database: Database, monitor: str) -> int:
    with database.read() as connection:
        return len(buckets.finished_starts(connection, monitor, START, None))


class Running:
    """A daemon at work in a thread."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.ended: list[bool] = []
        self.thread = threading.Thread(target=lambda: self.ended.append(daemon.run()))
        self.thread.start()

    def stop(self) -> bool:
        self.daemon.stop()
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.ended[0]


def hanging(over: threading.Event, inside: threading.Event) -> Callable[[], datetime]:
    def now() -> datetime:
        inside.set()
        over.wait(120)
        raise SourceError("timeout", "it did not answer")

    return now


def test_a_monitor_that_hangs_delays_no_other(database: Database, tmp_path: Path) -> None:
    daemon = daemon_of(database, tmp_path)
    over, inside = threading.Event(), threading.Event()
    daemon.monitors[0].source.now = hanging(over, inside)  # type: ignore[method-assign]
    running = Running(daemon)
    try:
        eventually(
            lambda: inside.is_set() and finished(database, "good") == 12, 120, "the buckets of the other monitor"
        )
        assert not over.is_set()
        assert finished(database, "bad") == 0
    finally:
        over.set()
        assert running.stop()


def test_what_hangs_is_abandoned_at_the_end(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_module, "STOP_SECONDS", 0.3)
    daemon = daemon_of(database, tmp_path)
    over, inside = threading.Event(), threading.Event()
    daemon.monitors[0].source.now = hanging(over, inside)  # type: ignore[method-assign]
    running = Running(daemon)
    try:
        eventually(inside.is_set, 60, "the hang")
        assert not running.stop()
        assert not over.is_set()
    finally:
        over.set()
        for thread in threading.enumerate():
            if thread.name.startswith("job"):
                thread.join(60)  # or it would go on in a store that is closed


def test_a_catch_up_that_hangs_delays_no_bucket(database: Database, tmp_path: Path) -> None:
    """A stretch of the log that takes long to read is read over a connection of its own."""
    daemon = daemon_of(database, tmp_path)
    over, inside = threading.Event(), threading.Event()
    source = SourceSession(lambda: daemon.monitors[0].source.reader)
    source.now = hanging(over, inside)  # type: ignore[method-assign]
    daemon.catch_ups = [CatchUpJob(database, daemon.monitors[0].monitor, source, {})]
    running = Running(daemon)
    try:
        eventually(inside.is_set, 60, "the hang")
        eventually(lambda: finished(database, "bad") == 12, 120, "the buckets of the same monitor")
        assert not over.is_set()
    finally:
        over.set()
        assert running.stop()


def test_a_source_that_fails_is_written_down_beside_the_others(database: Database, tmp_path: Path) -> None:
    daemon = daemon_of(database, tmp_path)

    def fail() -> datetime:
        raise SourceError("timeout", "it did not answer")

    daemon.monitors[0].source.now = fail  # type: ignore[method-assign]
    running = Running(daemon)
    try:
        eventually(lambda: finished(database, "good") == 12, 120, "the buckets of the other monitor")

        def errors() -> bool:
            with database.read() as connection:
                rows = {row.monitor: row.error for row in connection.execute(watches.select())}
            return rows["good"] is None and "it did not answer" in (rows["bad"] or "")

        eventually(errors, 60, "the failure in the store")
    finally:
        assert running.stop()


def test_a_daemon_that_stands_still_is_not_ready(database: Database, tmp_path: Path) -> None:
    daemon = daemon_of(database, tmp_path)
    assert daemon.liveness.progress.standstill() is None
    daemon.liveness.progress.at -= STANDSTILL.total_seconds() + 1
    assert "no monitor has finished a bucket or a turn" in str(daemon.liveness.progress.standstill())
    daemon.run_turns(daemon.monitors[1])
    assert daemon.liveness.progress.standstill() is None
    for watch in daemon.monitors:
        watch.close()
