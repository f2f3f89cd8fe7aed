"""Percentiles of one call: in process, and over HTTP on loopback."""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.guard.pii import sample_texts
from detectors import guard
from detectors.policy import built_in
from monitor.config.models import Config
from monitor.core.clock import SystemClock
from monitor.store.database import Database
from monitor.web.app import create_app
from monitor.web.server import Server

CALLS = 3000


def answers(count: int = 500) -> list[str]:
    """Make answers of 2,000 characters, every fourth with personal data."""
    pieces = sample_texts(4 * count, seed=3)
    return [" ".join(pieces[place : place + 4])[:2000] for place in range(0, len(pieces), 4)]


def percentiles(call: Callable[[str], object], texts: list[str]) -> tuple[float, float, float]:
    """Return median, 99th percentile and maximum in milliseconds, after a warm-up."""
    for text in texts[:50]:
        call(text)
    took = []
    for place in range(CALLS):
        begun = time.perf_counter()
        call(texts[place % len(texts)])
        took.append(time.perf_counter() - begun)
    p50, p99 = np.percentile(took, [50, 99]) * 1e3
    return float(p50), float(p99), max(took) * 1e3


def report() -> None:
    texts = answers()
    policy = built_in()["default"]
    print(f"\nMilliseconds a call, {CALLS} calls, answers of 2,000 characters, policy `default` (all four scanners):")
    line = "  {:38s} p50 {:7.3f}   p99 {:7.3f}   max {:7.3f}"
    print(line.format("in process", *percentiles(lambda text: guard(text, policy, time.monotonic), texts)))
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'none.db'}")
        source = {"url": "sqlite://", "table": "log", "columns": {"timestamp": "at"}}
        config = Config.model_validate(
            {"monitors": [{"name": "bot", "source": source}], "server": {"listen": "127.0.0.1:0"}}
        )
        server = Server(create_app(database, config, SystemClock()), config.server.listen)
        server.start()
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        headers = {"content-type": "application/json"}

        def post(text: str) -> bytes:
            body = json.dumps({"policy": "default", "text": text})
            connection.request("POST", "/api/v1/guard", body, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 200:
                raise SystemExit(f"the guard answered {answer.status}: {said!r}")
            return said

        print(line.format("over HTTP, one kept connection", *percentiles(post, texts)))
        connection.close()
        server.stop()
        database.close()
