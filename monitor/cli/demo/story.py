"""One hour of traffic in under a minute: the application, the hook and the daemon, side by side."""

from __future__ import annotations

import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from monitor.cli.demo.application import Application
from monitor.cli.demo.receiver import RollbackReceiver
from monitor.cli.factory import make_daemon, open_store
from monitor.cli.load import load
from monitor.cli.output import echo, print_json
from monitor.config.models import Config
from monitor.core import log
from monitor.core.clock import SystemClock
from monitor.core.plain import plain
from monitor.core.schedule import floor
from monitor.daemon import Daemon
from monitor.store import reads
from monitor.store.database import Database
from monitor.web.app import create_app
from monitor.web.server import Server

LOG = structlog.get_logger(__name__)
SPEED = 100
LENGTH = timedelta(minutes=58)  # the trace ends 22 s later; the clock then stands still
BASELINE = timedelta(minutes=15)
SWAP_AFTER = timedelta(minutes=30)
SECONDS_AT_MOST = 85

CONFIG = """\
# What the demo runs on; an ordinary configuration.
store: sqlite:///{folder}/driftd.db
server: {{listen: "{listen}"}}

receivers:
  rollback-wow-bot:
    kind: webhook
    url: "{hook}"
    secret: "${{DEMO_SECRET}}"
    effect: {{kind: rollback, mode: auto, cooldown: 30m, not_after: 15m}}

monitors:
  - name: wow-bot
    source:
      url: sqlite:///{folder}/application.db
      table: records
      columns:
        timestamp: created_at
        id: request_id
        model_version: model
        question: question
        context: context
        response: response
    bucket: 1m
    window: 5m
    settle: 2s
    baseline: {{from: "{start}", to: "{end}"}}
    segments: [model_version]
    signals: [response_length, novelty, hallucinated]
    checks:
      - drift: {{columns: auto}}
      - quality
      - rate: {{signal: hallucinated, max_increase: 0.1}}
    rules:
      - name: answers-leave-their-context
        when: [rate.hallucinated]
        for: 2
        severity: critical
        do: [rollback-wow-bot]
"""


class FastClock:
    """Time that runs faster than the wall's, from a start to an end at which it stands still."""

    def __init__(self, start: datetime, end: datetime, speed: float) -> None:
        self._start, self.end, self._speed = start, end, speed
        self._began = time.monotonic()

    def now(self) -> datetime:
        """Return the demo's present."""
        return min(self.end, self._start + timedelta(seconds=(time.monotonic() - self._began) * self._speed))


def run_demo(*, serve: bool, as_json: bool, folder: Path | None, listen: str) -> int:
    """Run the story; returns 0 when the swap was found, undone and seen to be over."""
    log.set_up("error" if not serve or as_json else "warning")
    with tempfile.TemporaryDirectory(prefix="driftd-demo-") as scratch:
        home = folder or Path(scratch)
        home.mkdir(parents=True, exist_ok=True)
        start = floor(SystemClock().now(), timedelta(minutes=1)) - LENGTH
        clock = FastClock(start, start + LENGTH, SPEED)
        application = Application(home / "application.db", clock, start, SWAP_AFTER)
        secret = "whsec_" + _secret()
        hook = RollbackReceiver(secret, clock.now, lambda payload: _deploy(application, payload))
        hook.start()
        config = _write_config(home, listen, hook.url, start, secret)
        _tell(f"configuration, log and store: {home}")
        with open_store(config, upgrade=True) as database:
            daemon = make_daemon(database, config, clock)
            daemon.every = timedelta(seconds=0.1)
            worker = threading.Thread(target=daemon.run, daemon=True)
            server = Server(create_app(database, config, clock), listen) if serve else None
            try:
                if server:
                    server.start()
                    _tell(f"web interface: http://{server.listen}/   metrics: http://{server.listen}/metrics")
                worker.start()
                _watch(database, application, hook, clock)
                if server is None:
                    _stop(daemon, worker)
                outcome = summary(database, application, hook)
                if as_json:
                    print_json(outcome)
                if server:
                    _wait_for_interrupt(listen)
            finally:
                _stop(daemon, worker)
                if server:
                    server.stop()
                hook.stop()
                application.close()
    return 0 if outcome["resolved"] and outcome["rollback"]["signature_valid"] else 1


def _stop(daemon: Daemon, worker: threading.Thread) -> None:
    daemon.stop()
    if worker.is_alive():
        worker.join(10)


def _secret() -> str:
    import base64

    return base64.b64encode(secrets.token_bytes(32)).decode()


def _write_config(home: Path, listen: str, hook: str, start: datetime, secret: str) -> Config:
    path = home / "driftd.yaml"
    end = start + BASELINE
    text = CONFIG.format(folder=home, listen=listen, hook=hook, start=start.isoformat(), end=end.isoformat())
    path.write_text(text, encoding="utf-8")
    return load(path, {"DEMO_SECRET": secret})


def _deploy(application: Application, payload: Mapping[str, Any]) -> None:
    target = (payload["data"].get("target") or {}).get("model_version")
    if target:
        application.deploy(str(target))


def _watch(database: Database, application: Application, hook: RollbackReceiver, clock: FastClock) -> None:
    """Write traffic until the hour is over and the daemon has processed it, and print what happens."""
    told: set[str] = set()
    began = time.monotonic()
    last = clock.end
    while time.monotonic() - began < SECONDS_AT_MOST:
        application.serve()
        _narrate(database, application, hook, told, clock.now())
        if clock.now() >= last and _is_finished(database, clock.now()):
            break
        time.sleep(0.05)


def _is_finished(database: Database, now: datetime) -> bool:
    with database.read() as connection:
        newest = reads.newest_bucket(connection, "wow-bot")
    return newest is not None and newest.start >= floor(now, timedelta(minutes=1)) - timedelta(minutes=2)


def _narrate(
    database: Database, application: Application, hook: RollbackReceiver, told: set[str], now: datetime
) -> None:
    """Print each event once, as the databases show it."""
    events: dict[str, str] = {}
    if application.first_bad:
        events["swap"] = (
            f"the application swaps its model: ctrl -> doha (without notice to driftd), "
            f"at {application.first_bad:%H:%M:%S}"
        )
    with database.read() as connection:
        newest = reads.newest_bucket(connection, "wow-bot")
        for row in reads.incident_rows(connection):
            for step in reads.transition_rows(connection, row.id):
                events[f"{row.id}{step.state}"] = f"incident {step.state}: {step.reason}"
            if row.suspected_change:
                suspect = row.suspected_change
                events[f"{row.id}why"] = (
                    f"suspected: {suspect['column']} {suspect['value']!r}, first seen {suspect['first_seen'][11:19]}"
                )
    for request in hook.received:
        word = "valid" if request.signature_valid else "INVALID"
        target = request.payload.get("data", {}).get("target")
        events[f"hook{request.at}"] = f"rollback request received, signature {word}, back to {target}"
    if newest is not None:
        events.setdefault("baseline", "learning the baseline from the first 15 minutes")
    for key, text in events.items():
        if key not in told:
            told.add(key)
            _tell(f"{now:%H:%M:%S}  {text}")


def summary(database: Database, application: Application, hook: RollbackReceiver) -> dict[str, Any]:
    """Return what happened, from the store, the application and the hook."""
    with database.read() as connection:
        rows = [row for row in reads.incident_rows(connection) if row.fired_at is not None]
        finished = len(reads.volume_history(connection, "wow-bot", 1000))
        steps = reads.transition_rows(connection, rows[-1].id) if rows else []
    incident = rows[-1] if rows else None
    fired = next((step.reason for step in steps if step.state == "firing"), None)
    request = hook.received[0] if hook.received else None
    delay = (request.at - application.first_bad).total_seconds() if request and application.first_bad else None
    return {
        "records": application.written,
        "buckets": finished,
        "incidents": len(rows),
        "incident": None
        if incident is None
        else {
            "opened_at": plain(incident.opened_at),
            "checks": sorted({f"{item['check']}.{item['column']}" for item in incident.evidence.values()}),
            "reason": fired,
            "suspected_change": incident.suspected_change,
            "resolved_at": plain(incident.resolved_at),
        },
        "swapped_at": plain(application.first_bad),
        "detection_delay_seconds": delay,
        "rollback": {
            "delivered": request is not None and request.signature_valid,
            "signature_valid": request is not None and request.signature_valid,
            "target": request.payload["data"]["target"] if request and request.signature_valid else None,
        },
        "resolved": incident is not None and incident.state == "resolved",
    }


def _tell(text: str) -> None:
    echo(text, err=True)


def _wait_for_interrupt(listen: str) -> None:
    """Leave the page running until SIGINT or SIGTERM."""
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    _tell(f"the simulated hour is over; http://{listen}/ keeps running until you press Ctrl-C")
    over.wait()
