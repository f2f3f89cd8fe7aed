"""The circuit breaker under load, over three replicas, and without its database: `make bench-breaker`.

1. The endpoint: `driftd run` on loopback, a log that grows and is read meanwhile, and 500 questions a second, each
   timed from the moment that it was due, so that a slow answer cannot hide those that wait behind it.
2. Three replicas (processes) on one PostgreSQL hold a budget by tenant. Tenants spend at a steady pace, ask a replica
   chosen by lot before every request, and stop when it says so. How far beyond their budgets did they get, in buckets?
3. PostgreSQL is stopped: what do the replicas answer, and how old do they say that it is?
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from benchmarks.detection.tables import table
from tests.support import postgres
from tests.support.process import eventually, free_port

DRIFTD = Path(sys.executable).with_name("driftd")
CONNECTIONS = 16
LIMIT_MS = 2.0
TENANTS = 10
PER_SECOND = 5
"""Requests a second of each tenant; each costs 1."""


class Client:
    """One kept connection that asks one question after another, by hand, for a client library would be timed too."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self, path: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(await self.ask_raw(path))
        return told

    async def ask_raw(self, path: str) -> bytes:
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(
            next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-le"))
        )
        return await self._reader.readexactly(length)


@contextmanager
def replica(folder: Path, name: str, config: dict[str, Any]) -> Iterator[int]:
    """Run the daemon; it is stopped in the end, whatever happened."""
    port = free_port()
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps({**config, "server": {"listen": f"127.0.0.1:{port}"}}))
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([DRIFTD, "run", "--config", file], stdout=log, stderr=log, cwd=folder)
    try:
        eventually(lambda: answers(port), 60, f"the start of {name}")
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def answers(port: int) -> bool:
    async def once() -> bool:
        client = Client(port)
        await client.connect()
        return "breakers" in await client.ask("/api/v1/breakers")

    try:
        return asyncio.run(once())
    except (OSError, asyncio.IncompleteReadError):
        return False


def config(store: str, source: str, **monitor: Any) -> dict[str, Any]:
    columns = {"timestamp": "at", "id": "id", "cost": "cost"}
    told = {
        "name": "bot", "settle": "1s", "window": "30s", "start": datetime.now(UTC).isoformat(),
        "source": {"url": source, "table": "log", "columns": columns}, **monitor,
    }  # fmt: skip
    return {"store": store, "monitors": [told]}


async def load(port: int, rate: int, seconds: float) -> np.ndarray:
    """Ask at a steady rate whether or not the answers keep up; return milliseconds from when each was due."""
    free: asyncio.Queue[Client] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        client = Client(port)
        await client.connect()
        free.put_nowait(client)
    took: list[float] = []

    async def one(due: float) -> None:
        client = await free.get()
        body = await client.ask_raw("/api/v1/breakers/money")
        took.append((time.perf_counter() - due) * 1000)
        assert b'"allow":true' in body
        free.put_nowait(client)

    began, waiting = time.perf_counter(), set()
    for place in range(int(rate * seconds)):
        due = began + place / rate
        while (left := due - time.perf_counter()) > 0:
            await asyncio.sleep(
                max(0.0, left - 0.0012)
            )  # the selector counts in milliseconds; the rest is awaited awake
        task = asyncio.create_task(one(due))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    await asyncio.gather(*waiting)
    return np.array(took)


def endpoint(folder: Path, rate: int, seconds: float) -> bool:
    """Time the endpoint while the daemon ticks."""
    path = folder / "log.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, at TEXT, cost REAL)")
    settings = config(
        f"sqlite:///{folder / 'driftd.db'}", f"sqlite:///{path}", bucket="5s", window="30s",
        checks=[{"spend": {"daily": 1e9}}], breakers=[{"name": "money", "budget": "spend"}],
    )  # fmt: skip
    stopping = threading.Event()

    def write() -> None:
        own = sqlite3.connect(path, isolation_level=None, timeout=30)
        while not stopping.wait(0.1):
            now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
            own.executemany("INSERT INTO log (at, cost) VALUES (?, 0.01)", [(now,)] * 20)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        with replica(folder, "one", settings) as port:
            asyncio.run(load(port, rate, 2))
            took = asyncio.run(load(port, rate, seconds))
    finally:
        stopping.set()
        writer.join()
    p50, p99, p999 = np.quantile(took, [0.5, 0.99, 0.999])
    rows = [[f"{rate}/s for {seconds:g} s", len(took), f"{p50:.2f}", f"{p99:.2f}", f"{p999:.2f}", f"{took.max():.2f}"]]
    print(
        table(
            ["the endpoint", "answers", "p50 ms", "p99 ms", "p99.9 ms", "max ms"], [[str(c) for c in r] for r in rows]
        )
    )
    return bool(p99 < LIMIT_MS)


class Application:
    """Tenants that spend: before each request they ask a replica, and afterwards they log what it cost."""

    def __init__(self, url: str, ports: list[int], limits: dict[str, float]) -> None:
        self._url = url
        self._ports = ports
        self._limits = limits
        self.spent = dict.fromkeys(limits, 0)
        self.crossed: dict[str, float] = {}
        self.stopped: dict[str, float] = {}

    async def run(self, most: float) -> None:
        """Spend until every tenant has been told to stop, or the time is over."""
        ends = time.monotonic() + most
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            tasks = [self._tenant(name, connection, ends, place) for place, name in enumerate(self._limits)]
            await asyncio.gather(*tasks)

    async def _tenant(self, name: str, connection: psycopg.AsyncConnection[Any], ends: float, seed: int) -> None:
        chance = random.Random(seed)
        clients = [Client(port) for port in self._ports]
        for client in clients:
            await client.connect()
        due = time.monotonic()
        while (now := time.monotonic()) < ends:
            told = await chance.choice(clients).ask(f"/api/v1/breakers/money?tenant={name}")
            if not told["allow"]:
                self.stopped[name] = now
                return
            await connection.execute("INSERT INTO log (at, tenant, cost) VALUES (clock_timestamp(), %s, 1)", [name])
            self.spent[name] += 1
            if self.spent[name] >= self._limits[name]:
                self.crossed.setdefault(name, now)
            due += 1 / PER_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))


def replicas(folder: Path, bucket: int) -> bool:
    """Let three replicas hold budgets, then take their database away."""
    with postgres.server() as server:
        assert isinstance(server, postgres.OwnServer), "this needs a PostgreSQL of its own: unset DRIFTD_TEST_POSTGRES"
        with server.connect() as connection:
            connection.execute("CREATE DATABASE ours")
            connection.execute("CREATE DATABASE theirs")
        urls = [server.url.set(database=name).render_as_string(hide_password=False) for name in ("ours", "theirs")]
        with server.connect("theirs") as connection:
            connection.execute(
                "CREATE TABLE log (id bigserial PRIMARY KEY, at timestamptz, tenant text, cost double precision)"
            )
            connection.execute("CREATE INDEX ON log (at)")
        # Budgets of two to three buckets, so that they are crossed at every place of a bucket.
        each = PER_SECOND * bucket
        limits = {f"t{place}": float(round(each * (2 + place / TENANTS))) for place in range(TENANTS)}
        spend = {"daily": 1e6, "by": "tenant", "limits": limits}
        settings = config(
            urls[0], urls[1], bucket=f"{bucket}s", window=f"{bucket}s", checks=[{"spend": spend}],
            breakers=[{"name": "money", "budget": "spend"}],
        )  # fmt: skip
        with (
            replica(folder, "first", settings) as first,
            replica(folder, "second", settings) as second,
            replica(folder, "third", settings) as third,
        ):
            ports = [first, second, third]
            plain = server.url.set(drivername="postgresql", database="theirs").render_as_string(hide_password=False)
            application = Application(plain, ports, limits)
            asyncio.run(application.run(bucket * 8))
            held = report(application, limits, each, bucket)
            server.stop(signal.SIGQUIT)
            return without_database(ports) and held


def report(application: Application, limits: dict[str, float], each: int, bucket: int) -> bool:
    rows, over = [], {}
    for name, limit in limits.items():
        over[name] = (application.spent[name] - limit) / each
        late = application.stopped.get(name, np.nan) - application.crossed.get(name, np.nan)
        rows.append([name, f"{limit:.0f}", str(application.spent[name]), f"{over[name]:+.2f}", f"{late:.1f} s"])
    print(table(["tenant", "budget", "spent", f"beyond it, in buckets of {bucket} s", "told to stop after"], rows))
    print(f"the furthest: {max(over.values()):+.2f} buckets; three replicas, one ledger\n")
    return len(application.stopped) == len(limits) and max(over.values()) <= 1.0


def without_database(ports: list[int]) -> bool:
    """Ask every replica at once and a few seconds after its database has crashed."""
    rows, good = [], True
    for seconds in (0, 3):
        time.sleep(seconds)
        for place, port in enumerate(ports):

            async def ask(port: int = port) -> tuple[dict[str, Any], float]:
                client = Client(port)
                await client.connect()
                began = time.perf_counter()
                return await client.ask("/api/v1/breakers/money?tenant=t0"), (time.perf_counter() - began) * 1000

            told, took = asyncio.run(ask())
            known = told["knowledge"]
            good = good and told["state"] == "open" and known["read_seconds_ago"] is not None
            rows.append(
                [str(place + 1), told["state"], f"{known['age_seconds']:.1f} s", f"{known['read_seconds_ago']:.1f} s",
                 f"{took:.2f}"]
            )  # fmt: skip
    print("PostgreSQL was killed (SIGQUIT); a tenant whose budget is gone asks at once, and three seconds later:")
    print(table(["replica", "answer", "knows up to, ago", "read it, ago", "took ms"], rows))
    return good


def main(arguments: list[str] | None = None) -> int:
    """Run the parts that are asked for; 1 when one does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["endpoint", "replicas"])
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--bucket", type=int, default=10, help="seconds of a bucket of the replicas")
    chosen = parser.parse_args(arguments)
    held = True
    with tempfile.TemporaryDirectory(prefix="breaker-", dir="/tmp") as name:
        if chosen.only in (None, "endpoint"):
            held = endpoint(Path(name), chosen.rate, chosen.seconds)
            print(f"p99 under {LIMIT_MS:g} ms: {'yes' if held else 'NO'}\n")
        if chosen.only in (None, "replicas"):
            kept = replicas(Path(name), chosen.bucket)
            print(f"at most one bucket beyond any budget, and answers without a database: {'yes' if kept else 'NO'}")
            held = held and kept
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
