"""SIGTERM ends the real process with exit code 0 within ten seconds, whatever hangs."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from monitor.core.action import Action
from monitor.store import outbox
from monitor.store.database import Database
from tests.support.live import WITHIN, live
from tests.support.process import eventually
from tests.support.proxy import Proxy, proxied
from tests.support.world import START, World, rows_of

pytestmark = pytest.mark.xdist_group("waiting")  # one after the other, beside tests that compute


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    made.log(rows_of(START, timedelta(hours=1)))
    yield made
    made.close()


@pytest.fixture
def stalling(tmp_path: Path, postgres_url: str) -> Iterator[tuple[World, Proxy]]:
    """Lend a world whose source is behind a proxy."""
    made = World(tmp_path, postgres_url)
    made.log(rows_of(START, timedelta(hours=1)))
    with proxied(make_url(postgres_url).port or 0) as proxy:
        made.source_url = make_url(postgres_url).set(port=proxy.port).render_as_string(hide_password=False)
        yield made, proxy
    made.close()


def test_a_stalled_source(stalling: tuple[World, Proxy]) -> None:
    world, proxy = stalling
    with live(world) as daemon:
        eventually(lambda: daemon.source_is(1), 60, "the first look at the source")
        proxy.stall()
        eventually(proxy.keeps_back.is_set, 60, "a read that stalls")
        eventually(lambda: daemon.source_is(0), 60, "source_up 0")
        assert daemon.get("/healthz").status_code == 200
        assert daemon.end() == 0


def test_a_source_that_refuses_connections(stalling: tuple[World, Proxy]) -> None:
    world, proxy = stalling
    with live(world) as daemon:
        eventually(lambda: daemon.source_is(1), 60, "the first look at the source")
        proxy.close()
        eventually(lambda: daemon.source_is(0), 60, "source_up 0")
        assert daemon.end() == 0


def test_a_store_that_refuses_connections(tmp_path: Path, postgres_url: str) -> None:
    with proxied(make_url(postgres_url).port or 0) as proxy:
        store = make_url(postgres_url).set(port=proxy.port).render_as_string(hide_password=False)
        world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}", store)
        world.log(rows_of(START, timedelta(hours=1)))
        with live(world) as daemon:
            eventually(lambda: daemon.source_is(1), 60, "the first look at the source")
            proxy.close()
            eventually(lambda: daemon.logged("turn_failed"), 60, "a turn that fails")
            assert daemon.end() == 0
        world.close()


def test_in_the_middle_of_a_long_catch_up(world: World) -> None:
    baseline = {"from": START.isoformat(), "to": (START + timedelta(hours=1)).isoformat(), "min_rows": 10}
    with live(world, bucket="5m", catch_up="3650d", baseline=baseline, start=START.isoformat()) as daemon:
        begun = re.compile(r"driftd_buckets\{[^}]*\} ([1-9]\d*)")
        eventually(lambda: begun.search(daemon.get("/metrics").text), 60, "the first buckets of a month")
        assert daemon.end() == 0


@pytest.mark.parametrize("drips", [False, True])
def test_a_receiver_that_hangs_or_drips(drips: bool, world: World) -> None:
    over, asked = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                asked.set()
                while not over.wait(0.1):
                    connection.sendall(b"HTTP/1.1 200 OK\r\n" if drips and not over.is_set() else b"")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        webhook = {"url": url, "secret": "whsec_c2VjcmV0LW9mLXRoZS1ob29r", "timeout": "60s"}
        with live(world, {"actions": {"back": {"webhook": webhook}}}) as daemon:
            eventually(lambda: daemon.logged("started"), 60, "the start")
            database = Database(world.store_url)
            now = datetime.now(UTC)
            with database.write() as connection:
                put = Action(
                    "a-1", "shop", "i-1", "back", "rollback", "auto", "pending", "t", {"type": "x"}, now, 0, None
                )
                outbox.save_actions(connection, [put])
            database.close()
            eventually(asked.is_set, 60, "the request")
            assert daemon.end() == 0
            over.set()


def test_a_locked_sqlite_store(world: World) -> None:
    with live(world) as daemon:
        eventually(lambda: daemon.source_is(1), 60, "the first look at the source")
        lock = sqlite3.connect(world.folder / "driftd.db", timeout=30, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        world.log(rows_of(START + timedelta(hours=2), timedelta(minutes=1)))
        assert daemon.end() == 0
        lock.close()


def test_a_stalled_postgresql_store(tmp_path: Path, postgres_url: str) -> None:
    with proxied(make_url(postgres_url).port or 0) as proxy:
        store = make_url(postgres_url).set(port=proxy.port).render_as_string(hide_password=False)
        world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}", store)
        world.log(rows_of(START, timedelta(hours=1)))
        with live(world) as daemon:
            eventually(lambda: daemon.source_is(1), 60, "the first look at the source")
            proxy.stall()
            eventually(proxy.keeps_back.is_set, 60, "a transaction that stalls")
            assert daemon.end() == 0
        world.close()


def test_a_store_that_is_locked_at_the_start(world: World) -> None:
    """The main thread then waits inside SQLite, where no handler of Python's can run."""
    file = world.folder / "driftd.db"
    lock = sqlite3.connect(file, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    with live(world) as daemon:
        opened = Path(f"/proc/{daemon.process.pid}/fd")
        eventually(lambda: any(each.readlink() == file for each in opened.iterdir()), 60, "the store to be opened")
        assert daemon.end() == 0
    lock.close()


def test_a_baseline_that_is_long_in_learning(tmp_path: Path, postgres_url: str) -> None:
    world = World(tmp_path, postgres_url)
    world.log(rows_of(START, timedelta(hours=1)))
    world.execute('CREATE VIEW slow AS SELECT *, pg_sleep(60) IS NULL AS late FROM "inference log"')
    source = {"url": postgres_url, "table": "slow", "columns": {"timestamp": "Zeit", "id": "id"}, "timeout": "5m"}
    baseline = {"from": START.isoformat(), "to": (START + timedelta(hours=1)).isoformat(), "min_rows": 10}
    with live(world, source=source, baseline=baseline) as daemon:
        sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"

        def reading() -> bool:
            with world.engine.connect() as connection:
                return bool(connection.exec_driver_sql(sleeping).scalar_one())

        eventually(reading, 60, "the read of the baseline")
        assert daemon.end() == 0
    world.close()


def test_a_log_that_nobody_reads(world: World) -> None:
    """Its lines fill the pipe and are kept back; the monitors go on, and so does the end."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    with live(world, errors=writer) as daemon:
        os.close(writer)
        eventually(lambda: daemon.source_is(1), 60, "the first look at the source")
        eventually(lambda: daemon.get("/readyz").status_code == 200, 60, "the daemon to be ready")
        assert daemon.end() == 0
    os.close(reader)


def test_a_log_whose_reader_is_gone(world: World) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with live(world, errors=writer) as daemon:
        os.close(writer)
        eventually(lambda: daemon.source_is(1), 60, "the first look at the source")
        lost = "driftd_log_lines_dropped_total "
        eventually(lambda: f"{lost}0.0" not in daemon.get("/metrics").text, 60, "a dropped line")
        assert daemon.end() == 0


def test_a_second_signal_ends_at_once(stalling: tuple[World, Proxy]) -> None:
    world, proxy = stalling
    with live(world) as daemon:
        eventually(lambda: daemon.source_is(1), 60, "the first look at the source")
        proxy.stall()
        eventually(proxy.keeps_back.is_set, 60, "a read that stalls")
        daemon.process.send_signal(signal.SIGTERM)
        eventually(lambda: daemon.logged("stopping"), 60, "the first signal")
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.process.wait(WITHIN) == 0
        assert not daemon.logged("stopped")
