"""Runs a scenario through the jobs of the daemon: its store, its monitor, its receivers, by a clock that is set."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from benchmarks.causes.score import PEOPLE, Episode
from benchmarks.causes.traffic import make_stream
from benchmarks.causes.truth import BUCKET, LIVE, MINUTE, WINDOW, Scenario
from benchmarks.detection.ours import FrameReader
from benchmarks.detection.streams import Stream
from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult
from monitor.config.models import Config
from monitor.jobs.delivery import deliver_due
from monitor.jobs.monitor_job import MonitorJob
from monitor.jobs.source_session import SourceSession
from monitor.store import migrate, reads
from monitor.store.database import Database

MEMORY = Path("/dev/shm")
"""Where a store needs no disk, on Linux."""
ROLLBACK = "rollback"
MAPPED = ("timestamp", "model_version", "prompt_version", "tenant", "latency", "output_tokens", "cost", "status")
TEXTS, LABELS = ("context", "response"), ("score", "label")
SIGNALS = ("failed", "hallucinated")
RECEIVERS = {
    PEOPLE: {"kind": "slack", "token": "xoxb-none", "channel": "#alerts"},
    ROLLBACK: {
        "kind": "webhook",
        "url": "http://127.0.0.1:1/",
        "secret": "whsec_c2VjcmV0LW9mLXRoZS1ob29r",
        "effect": {"kind": "rollback", "mode": "auto"},
    },
}
RULES = [
    {
        "name": "answers",
        "when": ["rate", "performance", "drift"],
        "severity": "critical",
        "do": [PEOPLE, ROLLBACK],
    },
    {"name": "latency", "when": ["latency"], "do": [PEOPLE, ROLLBACK]},
    {"name": "data", "when": ["quality"], "do": [PEOPLE]},
]


@dataclass
class Clock:
    """Time as an argument."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment


class LogReader(FrameReader):
    """A stream as a source of which nothing is later than the clock."""

    def __init__(self, stream: Stream, clock: Clock) -> None:
        super().__init__(stream)
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()

    def newest(self) -> datetime | None:
        newest = super().newest()
        return None if newest is None else min(newest, self._clock.now())


class Letterbox:
    """A receiver that accepts everything."""

    kind: ClassVar[str] = "letterbox"

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        return DeliveryResult("delivered", receipt={"id": delivery.id})


def configure(scenario: Scenario, store: str) -> Config:
    """Return the configuration: what `driftd init` writes for such a log, with rules, receivers and a fixed range."""
    world = scenario.world
    mapped = [*MAPPED, *TEXTS * world.texts, *LABELS * world.labelled]
    checks: list[object] = ["drift", {"quality": {"segments": False}}, "latency"]  # by segment it finds nothing here
    checks += [{"rate": {"signal": "hallucinated"}}] * world.texts + ["performance"] * world.labelled
    monitor: dict[str, object] = {
        "name": "app",
        "source": {"url": "sqlite://", "table": "log", "columns": {name: name for name in mapped}},
        "bucket": BUCKET,
        "window": WINDOW,
        "settle": timedelta(0),
        "baseline": {"from": LIVE - scenario.baseline * MINUTE, "to": LIVE},
        "features": [name for name in scenario.columns if name not in SIGNALS],
        "segments": ["model_version", "prompt_version", "tenant"],
        "signals": [name for name in SIGNALS if name in scenario.columns],
        "checks": checks,
        "rules": RULES,
        "no_data": {"do": [PEOPLE]},
    }
    if scenario.challenger is not None:
        shadow = {"champion": world.model, "challenger": scenario.challenger.value, "join": "request"}
        monitor["shadows"] = [{"name": "shadow", **shadow, "from": LIVE, "answer": "plan"}]
    return Config.model_validate({"store": store, "receivers": RECEIVERS, "monitors": [monitor]})


def run(scenario: Scenario) -> Episode:
    """Run a scenario bucket by bucket, each decided and delivered before the next begins."""
    folder = MEMORY if MEMORY.is_dir() else None
    with TemporaryDirectory(prefix="driftd-causes-", dir=folder) as home:
        config = configure(scenario, f"sqlite:///{home}/driftd.db")
        with closing(Database(config.store.get_secret_value())) as database:
            migrate.upgrade(database)
            return _live(scenario, config, database)


def _live(scenario: Scenario, config: Config, database: Database) -> Episode:
    clock = Clock(LIVE)
    reader = LogReader(make_stream(scenario), clock)
    session = SourceSession(lambda: reader, lambda _reader: clock.now())
    job = MonitorJob(database, config.monitors[0], session, config.receivers)
    while _take_turns(job) or job.lifecycle.state != "active":
        pass
    receivers: Mapping[str, Any] = {name: Letterbox() for name in config.receivers}
    deliver = partial(deliver_due, database, receivers, clock)
    for _ in range(int(scenario.live * MINUTE / BUCKET)):
        clock.moment += BUCKET
        _take_turns(job)
        for name in receivers:
            deliver(name)
    with database.read() as connection:
        incidents = reads.incident_rows(connection, most=1000)
        actions = reads.action_rows(connection, most=10_000)
    return Episode(tuple(incidents[::-1]), tuple(actions[::-1]))


def _take_turns(job: MonitorJob) -> int:
    """Compute what is due."""
    finished = 0
    while done := job.take_turn(lambda: False, lambda: None):
        finished += done
    return finished
