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
from monitor.web.server import Server
from monitor.web.site import Site

WEB = "the web server"
SWITCH_SECONDS = 0.0001
"""Switch interval of the interpreter, in seconds. A response waits for a computing thread up to three times this long,
so Python's default of 5 ms is too long. At 500 responses a second a computing thread is not measurably slower than
with 0.5 ms."""


@contextmanager
def serve_web(database: Database, config: Config, clock: Clock, liveness: Liveness) -> Iterator[Site]:
    """Serve the web pages, the API and the metrics while the daemon runs; yield what is served."""
    site = Site(database, config, clock, liveness)
    watchdog = liveness.watchdog
    server = Server(site, config.server.listen, partial(watchdog.beat, WEB))
    site.start()
    sys.setswitchinterval(SWITCH_SECONDS)
    settle_memory()
    server.start()
    watchdog.watch(WEB)
    try:
        yield site
    finally:
        watchdog.forget(WEB)
        server.stop()
        site.stop()


def settle_memory() -> None:
    """Exclude all loaded objects from garbage collection; a full collection over them stops all responses for 40 ms.

    Objects that were excluded before and are not used any more are freed.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
