"""Run a story through the jobs of the daemon, and record what each receiver is sent."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from benchmarks.causes.run import LABELS as LABEL_COLUMNS
from benchmarks.causes.run import MAPPED, MEMORY, SIGNALS, TEXTS, Clock, LogReader
from benchmarks.causes.traffic import make_stream
from benchmarks.causes.truth import BUCKET, LIVE, MINUTE, WINDOW, Scenario
from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, RequestPreview
from monitor.config.models import Config
from monitor.core.deploy_event import parse_event
from monitor.core.incident import Decision, Incident
from monitor.core.operation import Approve, Author
from monitor.jobs.catch_up import CatchUpJob
from monitor.jobs.delivery import deliver_due, expire_late
from monitor.jobs.monitor_job import MonitorJob
from monitor.jobs.source_health import record_heartbeat, record_source_error
from monitor.jobs.source_session import SourceSession
from monitor.sources.base import Reader, SourceError
from monitor.store import deploy_events, migrate, reads
from monitor.store.database import Database
from monitor.store.incidents import save_decision
from monitor.store.operations import perform
from scripts.messages.scenarios import Story

PEOPLE = ("slack", "email", "hook")
"""Receivers of messages, each of another kind."""
LEAD = "lead"
"""The receiver that an incident escalates to."""
ZONE = "Europe/Berlin"

RECEIVERS: Mapping[str, Mapping[str, object]] = {
    "slack": {"kind": "slack", "token": "xoxb-none", "channel": "#on-call", "timezone": ZONE},
    "email": {
        "kind": "email",
        "server": "smtp.example.com:587",
        "from": "driftd@example.com",
        "to": ["on-call@example.com"],
        "timezone": ZONE,
    },
    "hook": {"kind": "webhook", "url": "http://127.0.0.1:1/", "secret": "whsec_bm9uZQ=="},
}
RULES = [
    {"name": "answers", "when": ["rate", "performance", "drift", "latency"], "severity": "critical"},
    {"name": "data", "when": ["quality"]},
]


@dataclass
class Recorder:
    """A receiver that accepts and keeps everything."""

    kind: ClassVar[str] = "recorder"
    name: str
    deliveries: list[tuple[str, Delivery]] = field(default_factory=list)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        self.deliveries.append((self.name, delivery))
        return DeliveryResult("delivered", receipt={"ts": delivery.id, "message_id": f"<{delivery.id}@example.com>"})

    def describe_request(self, _delivery: Delivery) -> RequestPreview:
        return RequestPreview("", self.name)


def configure(story: Story, store: str) -> Config:
    """Return the configuration of a story."""
    effect = {"kind": "rollback", "mode": story.mode, "freeze": ["noon"] * bool(story.freeze)}
    hook = {**RECEIVERS["hook"], "effect": effect, "dry_run": story.dry_run}
    monitors = [_configure_monitor(story, name, scenario) for name, scenario in list_scenarios(story).items()]
    receivers = {**RECEIVERS, LEAD: RECEIVERS["hook"], "deploy": hook}
    server = {"external_url": "https://driftd.example.com"}
    times = [{"name": "noon", "time_intervals": [{"times": [story.freeze]}]}] if story.freeze else []
    top = {"store": store, "server": server, "mute_time_intervals": times}
    return Config.model_validate({**top, "receivers": receivers, "monitors": monitors})


def list_scenarios(story: Story) -> dict[str, Scenario]:
    """Return the scenarios of a story by the name of the monitor."""
    return {"support-bot": story.scenario, **story.others}


def _configure_monitor(story: Story, name: str, scenario: Scenario) -> dict[str, object]:
    world, rules = scenario.world, [dict(rule, do=[*PEOPLE, "deploy"]) for rule in RULES]
    mapped = [*MAPPED, *TEXTS * world.texts, *LABEL_COLUMNS * world.labelled]
    return {
        "name": name,
        "source": {"url": "sqlite://", "table": "log", "columns": {name: name for name in mapped}},
        "bucket": BUCKET,
        "window": WINDOW,
        "settle": timedelta(0),
        "baseline": {"from": LIVE - scenario.baseline * MINUTE, "to": LIVE},
        "features": [name for name in scenario.columns if name not in SIGNALS],
        "segments": ["model_version", "prompt_version", "tenant"],
        "signals": [name for name in SIGNALS if name in scenario.columns],
        "checks": ["drift", {"quality": {"segments": False}}, "latency"],
        "rules": [{**rule, "repeat_interval": "90m"} for rule in rules],
        "no_data": {"do": [*PEOPLE]},
        **story.monitor,
    }


def record(story: Story) -> list[tuple[str, Delivery]]:
    """Return what the receivers are sent, in the order of time."""
    with TemporaryDirectory(prefix="driftd-messages-", dir=MEMORY if MEMORY.is_dir() else None) as home:
        config = configure(story, f"sqlite:///{Path(home) / 'driftd.db'}")
        with closing(Database(config.store.get_secret_value())) as database:
            migrate.upgrade(database)
            return _live(story, config, database)


def _live(story: Story, config: Config, database: Database) -> list[tuple[str, Delivery]]:
    clock, sent = Clock(LIVE), list[tuple[str, Delivery]]()
    _fire_elsewhere(database, story.elsewhere)
    scenarios = list_scenarios(story)
    jobs = []
    for monitor in config.monitors:
        session = _session(story, scenarios[monitor.name], clock)
        job = MonitorJob(database, monitor, session, config.receivers)
        jobs.append((job, CatchUpJob(database, monitor, session, config.receivers)))
        while _take_turns(job, LIVE) or job.lifecycle.state != "active":
            pass
    receivers = {name: Recorder(name, sent) for name in config.receivers}
    for _ in range(int(story.scenario.live * MINUTE / BUCKET)):
        clock.moment += BUCKET
        if story.deployed:
            _report(database, story.deployed, clock.moment)
        if story.approves:
            _approve(database, clock.moment)
        for job, catch_up in jobs:
            _take_turns(job, clock.moment)
            if catch_up.is_needed:
                catch_up.catch_up()
        expire_late(database, clock)
        for moment in (clock.moment, clock.moment + MINUTE):
            for name in receivers:
                deliver_due(database, receivers, Clock(moment), name, config=config.receivers[name])
    return sent


def _fire_elsewhere(database: Database, monitors: int) -> None:
    """Store a firing incident of each of several other monitors."""
    at = LIVE + 20 * MINUTE
    with database.write() as connection:
        for number in range(monitors):
            other = Incident(
                f"other-{number}", f"bot-{number}", "answers", "critical", "firing", at, at, "", fired_at=at
            )
            save_decision(connection, Decision(other, None, ""))


def _session(story: Story, scenario: Scenario, clock: Clock) -> SourceSession:
    reader = LogReader(make_stream(scenario), clock)

    def read_time(_reader: Reader) -> datetime:
        minutes = (clock.moment - LIVE) / MINUTE
        if story.blind and story.blind[0] <= minutes < story.blind[1]:
            raise SourceError("unreachable", "the database at db.internal does not answer within 5 s")
        return clock.moment

    return SourceSession(lambda: reader, read_time)


def _take_turns(job: MonitorJob, now: datetime) -> int:
    """Compute what is due, as the daemon does."""
    finished = 0
    try:
        while done := job.take_turn(lambda: False, lambda: None):
            finished += done
        record_heartbeat(job, now, news=finished > 0)
    except SourceError as error:
        record_source_error(job, error, now)
    return finished


def _report(database: Database, deployed: tuple[float, Mapping[str, object]], now: datetime) -> None:
    """Report a deployment once it was made; a report of the same event changes nothing."""
    at = LIVE + deployed[0] * MINUTE
    if now >= at:
        with database.write() as connection:
            event = {"monitor": "support-bot", "at": at.isoformat(), **deployed[1]}
            deploy_events.add_event(connection, parse_event(event, now))


def _approve(database: Database, at: datetime) -> None:
    """Approve what has waited since the last bucket."""
    with database.read() as connection:
        waiting = [row.id for row in reads.action_rows(connection, most=1000) if row.state == "awaiting_approval"]
    for identity in waiting:
        perform(database, Approve(identity), Author("ann", "cli", "responder"), Clock(at))
