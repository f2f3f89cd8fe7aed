"""The dead-man service gets a heartbeat while every monitor is current, and none otherwise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from monitor.actions.receivers.http import HttpTransport
from monitor.cli.factory import make_daemon
from monitor.config.operation import HeartbeatConfig
from monitor.core.clock import SystemClock
from monitor.jobs import heartbeat as module
from monitor.jobs.heartbeat import Heartbeat
from monitor.jobs.liveness import Liveness
from monitor.jobs.readiness import Readiness
from monitor.store.database import Database
from tests.support.receiver import Receiver, listening
from tests.web.seed import Seed, configuration


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    store = Database(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def service() -> Iterator[Receiver]:
    """Lend a dead-man service; its path is the secret."""
    with listening(Receiver(lambda _request: (200, {}, b"OK"))) as receiver:
        yield receiver


class Watched:
    """A daemon with two monitors, as far as the heartbeat knows it."""

    def __init__(self, database: Database, url: str, **settings: Any) -> None:
        self.liveness = Liveness()
        self.tally = self.liveness.heartbeats
        monitors = configuration("sqlite://", ["one", "two"]).monitors
        readiness = Readiness(database, monitors, self.liveness, SystemClock())
        config = HeartbeatConfig(url=SecretStr(f"{url}/ping/5e7"), **settings)
        self.heartbeat = Heartbeat(config, readiness, HttpTransport(config.timeout))


def make_current(database: Database) -> None:
    seed = Seed(database)
    for name in ("one", "two"):
        seed.watch(name)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_heartbeat_is_sent_while_every_monitor_is_current(database: Database, service: Receiver, method: str) -> None:
    make_current(database)
    watched = Watched(database, service.url, method=method)
    assert watched.heartbeat.run() == "sent"
    assert [(each.method, each.path, each.body) for each in service.requests] == [(method, "/ping/5e7", b"")]
    assert watched.tally.counts == {"sent": 1, "failed": 0, "withheld": 0}
    assert watched.tally.sent_at is not None


def test_no_heartbeat_while_a_monitor_is_not_current(database: Database, service: Receiver) -> None:
    seed = Seed(database)
    seed.watch("one")
    watched = Watched(database, service.url)
    with capture_logs() as logs:
        assert [watched.heartbeat.run() for _ in range(3)] == ["withheld"] * 3
        seed.watch("two")
        assert watched.heartbeat.run() == "sent"
        watched.liveness.progress.note_failure("two", ValueError("a value"))
        assert watched.heartbeat.run() == "withheld"
    assert [(each["event"], each.get("reasons")) for each in logs] == [
        ("heartbeat_withheld", ["monitor two: no pass yet"]),
        ("heartbeat_sent", None),
        ("heartbeat_withheld", ["monitor two: the last turn failed: ValueError; see the log"]),
    ]
    assert len(service.requests) == 1


def test_no_heartbeat_while_a_part_of_the_process_stands_still(database: Database, service: Receiver) -> None:
    make_current(database)
    watched = Watched(database, service.url)
    watched.liveness.watchdog.watch("the web server", timedelta(seconds=1))
    watched.liveness.watchdog.check()
    assert watched.heartbeat.run() == "withheld"
    assert service.requests == []


def test_no_heartbeat_while_the_store_is_down(tmp_path: Any, service: Receiver) -> None:
    (tmp_path / "broken.db").write_bytes(b"this is no database " * 500)
    database = Database(f"sqlite:///{tmp_path / 'broken.db'}")
    watched = Watched(database, service.url)
    with capture_logs() as logs:
        assert [watched.heartbeat.run() for _ in range(2)] == ["withheld"] * 2
    database.close()
    (line,) = logs
    assert line["reasons"][0].startswith("driftd's own database does not answer (")
    assert service.requests == []


def test_no_heartbeat_while_the_store_hangs(
    database: Database, service: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr(module, "READ_SECONDS", 0.05)
    monkeypatch.setattr(Readiness, "find_reasons", lambda _self: over.wait(60) and [])
    watched = Watched(database, service.url)
    try:
        assert [watched.heartbeat.run() for _ in range(2)] == ["withheld"] * 2
        assert sum(thread.name == "bounded" for thread in threading.enumerate()) == 1, "one thread hangs, not two"
    finally:
        over.set()
    assert service.requests == []


def test_a_failure_is_counted_and_logged_once_without_the_address(database: Database, service: Receiver) -> None:
    make_current(database)
    statuses = iter([500, 500, 404, 200])
    service.answer = lambda _request: (next(statuses), {}, b"the answer of the service")
    watched = Watched(database, service.url)
    with capture_logs() as logs:
        assert [watched.heartbeat.run() for _ in range(4)] == ["failed", "failed", "failed", "sent"]
    assert watched.tally.counts == {"sent": 1, "failed": 3, "withheld": 0}
    assert [(each["event"], each["log_level"], each.get("problem")) for each in logs] == [
        ("heartbeat_failed", "warning", "server: status 500"),
        ("heartbeat_sent", "info", None),
    ]


def test_a_service_that_hangs_is_given_up_after_the_timeout(database: Database, service: Receiver) -> None:
    over = threading.Event()
    make_current(database)
    service.answer = lambda _request: (200 if over.wait(30) else 200, {}, b"")
    watched = Watched(database, service.url, timeout=timedelta(seconds=1))
    with capture_logs() as logs:
        assert watched.heartbeat.run() == "failed"
    over.set()
    assert logs[0]["problem"] == "timeout: no answer within 1 s"


def test_the_job_is_one_of_the_daemon_if_it_is_configured(database: Database) -> None:
    config = configuration("sqlite://", ["one"])
    config = config.model_copy(update={"monitors": []})
    sent = HeartbeatConfig(url=SecretStr("https://hc.example/5e7"), interval=timedelta(seconds=30))
    for heartbeat, intervals in ((None, []), (sent, [timedelta(seconds=30)])):
        daemon = make_daemon(database, config.model_copy(update={"heartbeat": heartbeat}))
        assert [job.every for job in daemon.jobs() if job.name == "dead-man service"] == intervals


def test_the_address_must_be_one_of_http_and_is_not_shown() -> None:
    with pytest.raises(ValidationError, match="must begin with https") as raised:
        HeartbeatConfig.model_validate({"url": "ftp://hc.example/5e7"})
    assert "5e7" not in str(raised.value).split("input_value")[0]
    assert "5e7" not in repr(HeartbeatConfig(url=SecretStr("https://hc.example/5e7")))
