"""`driftd demo`: replay one hour of traffic in about a minute, with the application, the deploy hook and the daemon."""

from __future__ import annotations

import base64
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli.connections import open_store
from monitor.cli.demo.application import Application
from monitor.cli.demo.configuration import write_config
from monitor.cli.demo.receiver import RollbackReceiver
from monitor.cli.demo.story import DemoNarrator, print_event
from monitor.cli.factory import make_daemon
from monitor.cli.options import AsJson
from monitor.cli.output import print_json
from monitor.core import log
from monitor.core.clock import SystemClock
from monitor.web.app import create_app
from monitor.web.server import Server

SPEED = 100
LENGTH = timedelta(minutes=58)  # the trace ends 22 s later; the clock then stops
SWAP_AFTER = timedelta(minutes=30)
SECONDS_AT_MOST = 240
LEARNT = timedelta(minutes=20)
"""Simulated time that passes before the first bucket is needed: the range of the baseline, and a few buckets."""
LAG = timedelta(minutes=5)
"""Simulated time by which the clock may be ahead of the last computed bucket; on a slow machine it waits."""


class FastClock:
    """Clock that runs ``speed`` times faster than wall time from ``start`` on and stops at ``end``.

    It waits at ``limit``, which is moved on.
    """

    def __init__(self, start: datetime, end: datetime, speed: float) -> None:
        self._start, self.end, self._speed = start, end, speed
        self.limit = start + LEARNT
        self._began = time.monotonic()

    def now(self) -> datetime:
        """Return the simulated time."""
        passed = timedelta(seconds=(time.monotonic() - self._began) * self._speed)
        return min(self.end, self.limit, self._start + passed)


def demo(
    serve: Annotated[bool, typer.Option(help="Keep the web interface and /metrics running until interrupted.")] = True,
    as_json: AsJson = False,
    folder: Annotated[
        Path | None, typer.Option(help="Keep the databases in this folder; by default they are deleted at the end.")
    ] = None,
    listen: Annotated[str, typer.Option(help="Address of the web interface, HOST:PORT.")] = "127.0.0.1:9478",
) -> int:
    """Run driftd on a recorded model swap: recorded answers and arrival times, one simulated hour.

    Example: driftd demo --no-serve --json
    """
    log.set_up("error" if not serve or as_json else "warning")
    with tempfile.TemporaryDirectory(prefix="driftd-demo-") as scratch:
        home = folder or Path(scratch)
        home.mkdir(parents=True, exist_ok=True)
        start = SystemClock().now().replace(second=0, microsecond=0) - LENGTH
        clock = FastClock(start, start + LENGTH, SPEED)
        application = Application(home / "application.db", clock, start, SWAP_AFTER)
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        hook = RollbackReceiver(secret, clock.now, lambda payload: _deploy(application, payload))
        hook.start()
        config = write_config(home, listen, hook.url, start, secret)
        print_event(f"configuration, log and store: {home}")
        with open_store(config, upgrade=True) as database:
            daemon = make_daemon(database, config, clock)
            daemon.every = timedelta(seconds=0.1)
            worker = threading.Thread(target=daemon.run, daemon=True)
            server = Server(create_app(database, config, clock), listen) if serve else None
            narrator = DemoNarrator(database, application, hook)
            try:
                if server:
                    server.start()
                    print_event(f"web interface: http://{server.listen}/   metrics: http://{server.listen}/metrics")
                worker.start()
                _play(application, narrator, clock)
                if server is None:
                    daemon.stop()
                    worker.join(10)
                summary = narrator.summarize()
                if as_json:
                    print_json(summary)
                if server:
                    _wait_for_interrupt(listen)
            finally:
                daemon.stop()
                if worker.is_alive():
                    worker.join(10)
                if server:
                    server.stop()
                hook.stop()
                application.close()
    return 0 if summary["resolved"] and summary["rollback"]["signature_valid"] else 1


def _play(application: Application, narrator: DemoNarrator, clock: FastClock) -> None:
    """Write traffic until the hour is over and the daemon has processed it, and print the events."""
    began = time.monotonic()
    while time.monotonic() - began < SECONDS_AT_MOST:
        application.serve()
        narrator.narrate(clock.now())
        if until := narrator.computed_until():
            clock.limit = max(clock.limit, until + LAG)
        if clock.now() >= clock.end and narrator.is_finished(clock.now()):
            return
        time.sleep(0.05)


def _deploy(application: Application, payload: Mapping[str, Any]) -> None:
    target = (payload["data"].get("target") or {}).get("model_version")
    if target:
        application.deploy(str(target))


def _wait_for_interrupt(listen: str) -> None:
    """Leave the page running until SIGINT or SIGTERM."""
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    print_event(f"the simulated hour is over; http://{listen}/ keeps running until you press Ctrl-C")
    over.wait()
