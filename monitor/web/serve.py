"""Run the web server within the daemon, with latencies of milliseconds while monitors compute."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.jobs.liveness import Liveness
from monitor.store.database import Database
from monitor.web.server import Server
from monitor.web.site import Site

WEB, METRICS = "the web server", "the server of the metrics"
SWITCH_SECONDS = 0.0001
"""Switch interval of the interpreter, in seconds. A response waits for a computing thread up to three times this long,
so Python's default of 5 ms is too long. At 500 responses a second a computing thread is not measurably slower than
with 0.5 ms."""


@contextmanager
def serve_web(database: Database, config: Config, clock: Clock, liveness: Liveness) -> Iterator[Site]:
    """Serve the web pages, the API and the metrics while the daemon runs; yield what is served."""
    site = Site(database, config, clock, liveness)
    tls = site.tls.context if site.tls else None
    watchdog = liveness.watchdog
    servers = {WEB: Server(site, config.server.listen, partial(watchdog.beat, WEB), tls)}
    if config.metrics is not None:
        beat = partial(watchdog.beat, METRICS)
        servers[METRICS] = Server(site.serve_metrics, config.metrics.listen, beat, tls, "metrics: listen:")
    site.start()
    sys.setswitchinterval(SWITCH_SECONDS)
    settle_memory()
    with ExitStack() as stack:
        stack.callback(site.stop)
        for name, server in servers.items():
            server.start()
            stack.callback(server.stop)
            watchdog.watch(name)
            stack.callback(watchdog.forget, name)
        yield site


def settle_memory() -> None:
    """Exclude all loaded objects from garbage collection; a full collection over them stops all responses for 40 ms.

    Objects that were excluded before and are not used any more are freed.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
