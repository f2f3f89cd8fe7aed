"""The circuit breaker under load, over three replicas, and without its database: `make bench-breaker`.

1. The endpoint: `driftd run` on loopback, a log that grows and is read meanwhile, and 500 questions a second, each
   timed from the moment that it was due, so that a slow answer cannot hide those that wait behind it.
2. Three replicas (processes) on one PostgreSQL hold a budget by tenant. Tenants spend at a steady pace, ask a replica
   chosen by lot before every request, and stop when it says so. How far beyond their budgets did they get, in buckets?
3. PostgreSQL is stopped: what do the replicas answer, and how old do they say that it is?
4. Hostile texts: four clients send the guard the texts that it checks most slowly, one after the other, and the
   endpoint is timed as in 1, in turns with and without them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import http.client
import json
import multiprocessing
import random
import re
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
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
SYSTEM_LATE = 0.00015
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
        "name": "bot",
        "settle": "1s",
        "window": "30s",
        "start": datetime.now(UTC).isoformat(),
        "source": {"url": source, "table": "log", "columns": columns},
        **monitor,
    }
    return {"store": store, "monitors": [told]}


class Connection:
    """One kept connection of the load, without an event loop: what the client itself takes must not be timed."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._question = f"GET /api/v1/breakers/money HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        self._read = b""
        self.due = 0.0

    def ask(self, due: float) -> None:
        self.due = due
        self.socket.sendall(self._question)

    def answered(self) -> bool:
        """Read what is there; say whether it ends an answer."""
        came = self.socket.recv(65536)
        if not came:
            raise ConnectionError("the daemon closed a connection of the load")
        self._read += came
        head, _, body = self._read.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if length is None or len(body) < int(length[1]):
            return False
        assert b'"allow":true' in body, body
        self._read = b""
        return True


def load(port: int, rate: int, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Ask at a steady rate whether or not the answers keep up.

    Returns milliseconds from when each question was due until its answer was read, and by how much the load itself
    asked too late although a connection was free: that part of the first is the client's and not the daemon's.
    """
    free = deque(Connection(port) for _ in range(CONNECTIONS))  # in turn, for the daemon closes one that idles
    busy = {one.socket.fileno(): one for one in free}
    took, late = [], []
    asked, total, began = 0, int(rate * seconds), time.perf_counter() + 0.01
    waited = False
    while len(took) < total:
        due, now = began + asked / rate, time.perf_counter()
        if asked < total and now >= due and free:
            late.append(0.0 if waited else (now - due) * 1000)
            free.popleft().ask(due)
            asked += 1
            continue
        waited = asked < total and now >= due
        left = due - now if asked < total and not waited else 1.0
        # The system wakes a little late; the last of the wait is spent awake, and no more: the daemon needs the cores.
        for number in select.select(busy, [], [], max(0.0, left - SYSTEM_LATE))[0]:
            if busy[number].answered():
                took.append((time.perf_counter() - busy[number].due) * 1000)
                free.append(busy[number])
    for one in busy.values():
        one.socket.close()
    return np.array(took), np.array(late)


def grow(path: Path) -> None:
    """Write to the log until somebody ends this process."""
    own = sqlite3.connect(path, isolation_level=None, timeout=30)
    while True:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        own.executemany("INSERT INTO log (at, cost) VALUES (?, 0.01)", [(now,)] * 20)
        time.sleep(0.1)


@contextmanager
def busy_daemon(folder: Path) -> Iterator[int]:
    """Run a daemon that reads a log while it grows, with one breaker; yield its port."""
    path = folder / "log.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, at TEXT, cost REAL)")
    settings = config(
        f"sqlite:///{folder / 'driftd.db'}",
        f"sqlite:///{path}",
        bucket="5s",
        window="30s",
        checks=[{"spend": {"daily": 1e9}}],
        breakers=[{"name": "money", "budget": "spend"}],
    )
    writer = multiprocessing.get_context("spawn").Process(target=grow, args=(path,), daemon=True)
    writer.start()
    try:
        with replica(folder, "one", settings) as port:
            load(port, 500, 2)
            yield port
    finally:
        writer.kill()
        writer.join()
        connection.close()


def time_answers(port: int, rate: int, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`load` does, without pauses of this client."""
    gc.collect()
    gc.disable()
    try:
        return load(port, rate, seconds)
    finally:
        gc.enable()


def endpoint(folder: Path, rate: int, seconds: float) -> bool:
    """Time the endpoint while the daemon ticks."""
    with busy_daemon(folder) as port:
        took, late = time_answers(port, rate, seconds)
    told = [f"{value:.2f}" for value in (*np.quantile(took, [0.5, 0.99, 0.999]), took.max(), np.quantile(late, 0.99))]
    headers = ["the endpoint", "answers", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "asked late p99 ms"]
    print(table(headers, [[f"{rate}/s for {seconds:g} s", str(len(took)), *told]]))
    return bool(np.quantile(took, 0.99) < LIMIT_MS)


HOSTILE_TEXTS = ("1-2-" * 2000, "+44 20 7946 0958 a@b.co " * 333, "a.a." * 2000, "<b>" * 60_000)
"""What the scanners of the guard take longest for: almost phone numbers, personal data, almost addresses, markup."""


def attack(port: int, seconds: float) -> None:
    """Send hostile texts to the guard, one after the other."""
    ends, headers = time.monotonic() + seconds, {"content-type": "application/json"}
    client, place = http.client.HTTPConnection("127.0.0.1", port, timeout=30), 0
    while time.monotonic() < ends:
        body = json.dumps({"policy": "audit", "text": HOSTILE_TEXTS[place % len(HOSTILE_TEXTS)]})
        client.request("POST", "/api/v1/guard", body, headers)
        client.getresponse().read()
        place += 1


def hostile(folder: Path, rate: int, seconds: float, rounds: int = 5) -> bool:
    """Time the endpoint in turns without and with four clients that send hostile texts."""
    spawn, rows, ratios = multiprocessing.get_context("spawn"), [], []
    with busy_daemon(folder) as port:
        attack(port, 3)  # starts the workers
        for place in range(rounds):
            idle, _ = time_answers(port, rate, seconds / rounds)
            clients = [spawn.Process(target=attack, args=(port, seconds / rounds + 1), daemon=True) for _ in range(4)]
            for client in clients:
                client.start()
            time.sleep(1)
            loaded, _ = time_answers(port, rate, seconds / rounds)
            for client in clients:
                client.join(60)
                client.kill()
            ratios.append(float(np.quantile(loaded, 0.99) / np.quantile(idle, 0.99)))
            figures = [*np.quantile(idle, [0.5, 0.99]), *np.quantile(loaded, [0.5, 0.99]), loaded.max()]
            rows.append([str(place + 1), *(f"{value:.2f}" for value in figures), f"{ratios[-1]:.2f}"])
    headers = [
        "round",
        "idle p50 ms",
        "idle p99 ms",
        "hostile p50 ms",
        "hostile p99 ms",
        "hostile max ms",
        "ratio of p99",
    ]
    print(table(headers, rows))
    print(f"median of the ratios: {np.median(ratios):.2f}")
    return bool(np.median(ratios) <= 2.0)


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
            urls[0],
            urls[1],
            bucket=f"{bucket}s",
            window=f"{bucket}s",
            checks=[{"spend": spend}],
            breakers=[{"name": "money", "budget": "spend"}],
        )
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
                [
                    str(place + 1),
                    told["state"],
                    f"{known['age_seconds']:.1f} s",
                    f"{known['read_seconds_ago']:.1f} s",
                    f"{took:.2f}",
                ]
            )
    print("PostgreSQL was killed (SIGQUIT); a tenant whose budget is gone asks at once, and three seconds later:")
    print(table(["replica", "answer", "knows up to, ago", "read it, ago", "took ms"], rows))
    return good


def main(arguments: list[str] | None = None) -> int:
    """Run the parts that are asked for; 1 when one does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["endpoint", "hostile", "replicas"])
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--bucket", type=int, default=10, help="seconds of a bucket of the replicas")
    chosen = parser.parse_args(arguments)
    held = True
    with tempfile.TemporaryDirectory(prefix="breaker-", dir="/tmp") as name:
        if chosen.only in (None, "endpoint"):
            held = endpoint(Path(name), chosen.rate, chosen.seconds)
            print(f"p99 under {LIMIT_MS:g} ms: {'yes' if held else 'NO'}\n")
        if chosen.only in (None, "hostile"):
            (Path(name) / "hostile").mkdir()
            kept = hostile(Path(name) / "hostile", chosen.rate, chosen.seconds)
            print(f"p99 under hostile texts within twice the idle p99: {'yes' if kept else 'NO'}\n")
            held = held and kept
        if chosen.only in (None, "replicas"):
            kept = replicas(Path(name), chosen.bucket)
            print(f"at most one bucket beyond any budget, and answers without a database: {'yes' if kept else 'NO'}")
            held = held and kept
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
