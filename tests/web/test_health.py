"""/metrics, /healthz and /readyz, above all when our own database is down."""

from __future__ import annotations

import re
import socket
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from starlette.testclient import TestClient

from monitor.core.clock import SystemClock
from monitor.jobs.liveness import STANDSTILL, Liveness
from monitor.store import tables
from monitor.store.database import Database
from monitor.store.watches import save_watch
from monitor.web import endpoints
from monitor.web.app import create_app
from monitor.web.health import Health
from monitor.web.server import Server
from tests.web.conftest import Serve
from tests.web.seed import MINUTE, Seed, busy_store, configuration

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def hanging_store() -> Iterator[Database]:
    """Lend a store whose server takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        store = Database(f"postgresql://driftd@127.0.0.1:{port}/driftd")
        yield store
        store.close()


@pytest.fixture
def broken_store(tmp_path: Path) -> Iterator[Database]:
    """Lend a store whose file is not a database."""
    (tmp_path / "broken.db").write_bytes(b"this is no database " * 500)
    store = Database(f"sqlite:///{tmp_path / 'broken.db'}")
    yield store
    store.close()


def samples(text: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for family in parse_text(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.value)
    return found


def test_metrics_are_prometheus_text(seed: Seed, serve: Serve) -> None:
    names = busy_store(seed)
    answer = serve(configuration("sqlite://", names)).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)
    assert found["driftd_store_up"] == [1.0]
    assert sum(found["driftd_incidents"]) == 2
    assert "process_resident_memory_bytes" in found
    assert found["driftd_log_lines_dropped_total"] == [0.0]
    assert "driftd_finding_statistic" in found


def test_metrics_are_openmetrics_when_asked(seed: Seed, serve: Serve) -> None:
    names = busy_store(seed)
    answer = serve(configuration("sqlite://", names)).get("/metrics", headers={"accept": OPENMETRICS})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.count("# EOF") == 1
    families = {family.name for family in parse_openmetrics(answer.text)}
    assert {"driftd_store_up", "driftd_late_rows", "process_cpu_seconds"} <= families


@pytest.mark.parametrize("kind", ["hanging_store", "broken_store"])
@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
def test_a_store_that_is_down_is_a_metric(kind: str, accept: str, request: pytest.FixtureRequest, serve: Serve) -> None:
    store: Database = request.getfixturevalue(kind)
    client = serve(configuration(str(store.url)), store)
    for _ in range(4):
        answer = client.get("/metrics", headers={"accept": accept})
        assert answer.status_code == 200
        families = list((parse_openmetrics if accept == OPENMETRICS else parse_text)(answer.text))
        values = [s.value for family in families for s in family.samples if s.name == "driftd_store_up"]
        assert values == [0.0]
    assert client.get("/healthz").text == "ok"


@pytest.mark.parametrize("kind", ["hanging_store", "broken_store"])
def test_pages_say_that_the_store_is_down(
    kind: str, request: pytest.FixtureRequest, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "READ_SECONDS", 0.5)
    store: Database = request.getfixturevalue(kind)
    client = serve(configuration(str(store.url)), store)
    page = client.get("/")
    assert page.status_code == 503
    assert "does not answer" in page.text
    told = client.get("/api/v1/status")
    assert told.status_code == 503
    assert "does not answer" in told.json()["error"]
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json() == {"ready": False, "reasons": ["driftd's own database does not answer"]}


def test_ready_when_every_monitor_was_looked_at(seed: Seed, serve: Serve) -> None:
    now = datetime.now(UTC)
    seed.watch("one", seen_at=now - timedelta(minutes=15))
    client = serve(configuration("sqlite://", ["one"]))
    assert client.get("/readyz").json() == {"ready": True, "reasons": []}
    late = serve(configuration("sqlite://", ["one", "two"])).get("/readyz")
    assert late.status_code == 503
    assert late.json()["reasons"] == ["monitor two: no pass yet"]


@pytest.fixture
def reporting(seed: Seed) -> Iterator[tuple[Liveness, httpx.Client]]:
    """Lend what a daemon with two monitors reports, and a client of its server; both monitors were read just now."""
    for name in ("one", "two"):
        seed.watch(name, seen_at=datetime.now(UTC))
    settings, liveness = configuration("sqlite://", ["one", "two"]), Liveness()
    app = create_app(seed.database, settings, SystemClock(), health=Health(seed.database, settings, liveness))
    server = Server(app, settings.server.listen)
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
        yield liveness, client
    server.stop()


def test_not_ready_while_the_jobs_of_this_process_stand_still(reporting: tuple[Liveness, httpx.Client]) -> None:
    """Another replica may read the monitors meanwhile, so the store alone does not tell."""
    liveness, client = reporting
    assert client.get("/readyz").status_code == 200
    liveness.progress.at -= STANDSTILL.total_seconds() + 1
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"][0].startswith("no monitor has finished a bucket or a turn for 12")
    assert client.get("/healthz").status_code == 200


def test_not_ready_while_the_turns_of_a_monitor_fail(reporting: tuple[Liveness, httpx.Client]) -> None:
    liveness, client = reporting
    liveness.progress.note_failure("two", ValueError("a value of a record"))
    answer = client.get("/readyz")
    assert answer.json() == {"ready": False, "reasons": ["monitor two: the last turn failed: ValueError; see the log"]}
    liveness.progress.note_success("two")
    assert client.get("/readyz").json() == {"ready": True, "reasons": []}


def test_heartbeats_are_counted_if_a_service_is_configured(reporting: tuple[Liveness, httpx.Client]) -> None:
    liveness, client = reporting
    assert "driftd_heartbeat" not in client.get("/metrics").text
    tally = liveness.heartbeats
    for _ in range(3):
        tally.count("failed")
    assert samples(client.get("/metrics").text)["driftd_heartbeats_total"] == [0.0, 3.0, 0.0]
    tally.sent_at = datetime(2026, 11, 1, tzinfo=UTC)
    assert samples(client.get("/metrics").text)["driftd_heartbeat_sent_timestamp_seconds"] == [1793491200.0]


def test_a_store_that_can_be_read_and_not_written_is_down(reporting: tuple[Liveness, httpx.Client]) -> None:
    liveness, client = reporting
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    liveness.progress.note_failure("one", sa.exc.OperationalError("UPDATE watches", {"error": "secret"}, full))
    found = samples(client.get("/metrics").text)
    assert found["driftd_store_up"] == [0.0]
    assert len(found["driftd_source_up"]) == 2, "what can be read is exported"
    reasons = client.get("/readyz").json()["reasons"]
    assert reasons == ["monitor one: the last turn failed: driftd's own database refuses: database or disk is full"]
    liveness.progress.note_success("one")
    assert samples(client.get("/metrics").text)["driftd_store_up"] == [1.0]


def test_not_alive_when_a_part_of_the_process_has_stopped(reporting: tuple[Liveness, httpx.Client]) -> None:
    liveness, client = reporting
    liveness.watchdog.watch("the scheduler", timedelta(seconds=4))
    for _ in range(2):
        assert liveness.watchdog.check() is None
    assert client.get("/healthz").status_code == 200
    liveness.watchdog.check()
    answer = client.get("/healthz")
    assert (answer.status_code, answer.text) == (503, "A part of driftd has stopped; see its log.\n")
    assert client.get("/readyz").json()["reasons"] == ["the scheduler has given no sign of life for 3 s"]
    liveness.watchdog.beat("the scheduler")
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(("seconds", "status"), [(4, 200), (-4, 200), (7, 503), (-7, 503)])
def test_the_difference_of_the_clocks_is_exported_and_not_ready(seconds: int, status: int, seed: Seed) -> None:
    seed.watch("one")

    class Skewed(SystemClock):
        def now(self) -> datetime:
            return super().now() + timedelta(seconds=seconds)

    settings = configuration("sqlite://", ["one"])
    health = Health(seed.database, settings, clock=Skewed())
    with TestClient(create_app(seed.database, settings, SystemClock(), health=health), "http://127.0.0.1") as client:
        assert samples(client.get("/metrics").text)["driftd_clock_skew_seconds"][0] == pytest.approx(seconds, abs=1)
        ready = client.get("/readyz")
    assert ready.status_code == status
    if status == 503:
        assert ready.json()["reasons"][0].startswith(f"the clock of this host differs by {'-' if seconds < 0 else '+'}")


def test_not_ready_while_a_source_was_never_read(seed: Seed, serve: Serve) -> None:
    seed.watch("one")
    with seed.database.write() as connection:
        for name in ("two", "three"):
            save_watch(connection, name, error="unreachable: no route", error_since=datetime.now(UTC))
    answer = serve(configuration("sqlite://", ["one", "two", "three"])).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == [
        f"monitor {name}: its source has never been read: unreachable: no route" for name in ("two", "three")
    ]


@pytest.mark.parametrize(("minutes", "status"), [(15, 200), (17, 503)])
def test_not_ready_when_a_source_could_not_be_read_for_long(
    minutes: int, status: int, seed: Seed, serve: Serve
) -> None:
    seed.watch("one")
    with seed.database.write() as connection:
        save_watch(connection, "one", error="slow: no answer", error_since=datetime.now(UTC) - minutes * MINUTE)
    answer = serve(configuration("sqlite://", ["one"])).get("/readyz")
    assert answer.status_code == status
    if status == 503:
        assert re.fullmatch(
            r"monitor one: its source could not be read for 102\d s: slow: no answer", answer.json()["reasons"][0]
        )


def test_not_ready_when_the_last_pass_is_long_ago(seed: Seed, serve: Serve) -> None:
    seed.watch("one", seen_at=datetime.now(UTC) - 17 * MINUTE)
    answer = serve(configuration("sqlite://", ["one"])).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"][0].startswith("monitor one: the last pass was 10")


def test_series_are_bounded_whatever_the_rows_hold(seed: Seed, serve: Serve) -> None:
    seed.watch("bot")
    seed.baseline("bot")
    seed.buckets("bot", 1)
    start = seed.end - 5 * MINUTE
    row = {
        "monitor": "bot",
        "start": start,
        "check": "drift",
        "column": "score",
        "method": "psi",
        "status": "ok",
        "reason": "r",
        "statistic": 0.1,
        "threshold": 0.2,
        "n_baseline": 1,
        "n_window": 1,
        "about": "model",
        "unit": "1",
    }
    many = [{**row, "key": f"drift/score/psi/m={n}", "segment": f"model_version=model-{n}"} for n in range(100_000)]
    seed.insert(tables.findings, many)
    client = serve()
    answer = client.get("/metrics", timeout=30)
    found = samples(answer.text)
    assert found["driftd_store_up"] == [1.0]
    assert sum(len(values) for values in found.values()) < 10_000
    assert found["driftd_series_truncated"] == [98_000.0]
    page = client.get("/monitors/bot", timeout=30)
    assert page.status_code == 200
    assert len(page.content) < 400_000
    assert "99,900 more findings" in page.text


def test_healthz_says_nothing_more(serve: Serve) -> None:
    client: httpx.Client = serve()
    answer = client.get("/healthz", headers={"host": "anything.example"})
    assert (answer.status_code, answer.text) == (200, "ok")
