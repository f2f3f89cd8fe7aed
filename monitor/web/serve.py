"""Run the web server within the daemon, with latencies of milliseconds while monitors compute."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.jobs.liveness import Liveness
from monitor.store.database import Database
from monitor.web.app import create_app
from monitor.web.breakers import Board
from monitor.web.health import Health
from monitor.web.server import Server

WEB = "the web server"
SWITCH_SECONDS = 0.0001
"""Switch interval of the interpreter, in seconds. A response waits for a computing thread up to three times this long,
so Python's default of 5 ms is too long. At 500 responses a second a computing thread is not measurably slower than
with 0.5 ms."""


@contextmanager
def serve_web(database: Database, config: Config, clock: Clock, liveness: Liveness) -> Iterator[None]:
    """Serve the web pages, the API and the metrics while the daemon runs."""
    board = Board(database, config, clock)
    watchdog = liveness.watchdog
    app = create_app(database, config, clock, board, Health(database, config, liveness))
    server = Server(app, config.server.listen, partial(watchdog.beat, WEB))
    board.start()
    sys.setswitchinterval(SWITCH_SECONDS)
    settle_memory()
    server.start()
    watchdog.watch(WEB)
    try:
        yield
    finally:
        watchdog.forget(WEB)
        server.stop()
        board.stop()


def settle_memory() -> None:
    """Exclude all loaded objects from garbage collection; a full collection over them stops all responses for 40 ms."""
    gc.collect()
    gc.freeze()
