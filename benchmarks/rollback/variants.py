"""The variants: what each configures, what must happen, and what must not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from benchmarks.rollback.servers import Servers
from benchmarks.rollback.timeline import Step, Timeline
from benchmarks.rollback.traffic import ALIAS, GOOD, RECENT, VERSIONS, Application
from monitor.core.incident import Incident
from monitor.store import reads
from monitor.store.audit import load_entries
from monitor.store.database import Database
from monitor.store.rows import ActionRow
from tests.support.process import eventually, running
from tests.support.proxy import Proxy, proxied
from tests.support.receiver import Receiver, listening
from tests.support.slack_api import APP, BOT, SlackApi, slack_api
from tests.support.world import DRIFTD

BUCKET = timedelta(seconds=15)
LIMIT = 300.0
"""Seconds after the first bad record in which all must have happened."""
OUTAGE = timedelta(minutes=2)
APPROVE = "Approve"


@dataclass(frozen=True)
class Variant:
    """A way from the swap to the end.

    Parameters
    ----------
    press
        Where a person approves the rollback: `slack`, or nowhere.
    reloads
        Whether the application asks MLflow for the version after the swap.
    outage
        Whether MLflow does not answer the daemon for two minutes from the swap on.
    """

    name: str
    mode: str
    press: str = ""
    reloads: bool = True
    outage: bool = False


VARIANTS = (
    Variant("auto", "auto"),
    Variant("slack", "approve", press="slack"),
    Variant("helpless", "auto", reloads=False),
    Variant("down", "auto", outage=True),
)


@dataclass
class Stage:
    """A running daemon with its application, and all that it talks to."""

    variant: Variant
    servers: Servers
    slack: SlackApi
    lead: Receiver
    application: Application
    database: Database
    proxy: Proxy

    @property
    def name(self) -> str:
        """Return the name of the monitor and of the model."""
        return f"bot-{self.variant.name}"

    def find_incident(self) -> Incident | None:
        """Return the incident of the swap."""
        with self.database.read() as connection:
            rows = reads.incident_rows(connection, self.name)
        return next((row for row in rows if row.suspected_change or row.state != "pending"), rows[0] if rows else None)

    def list_rollbacks(self) -> list[ActionRow]:
        """Return the rollbacks, oldest first."""
        with self.database.read() as connection:
            rows = reads.action_rows(connection, most=1000)
        return sorted((row for row in rows if row.kind == "rollback"), key=lambda row: row.created_at)

    def count(self, state: str) -> float:
        """Return how many incidents Prometheus says the monitor has in a state."""
        selected = f'driftd_incidents{{monitor="{self.name}",state="{state}"}}'
        return self.servers.prometheus.read(f"sum({selected}) or vector(0)") or 0.0

    def say_incident(self, *states: str) -> str | None:
        """Return the reason of the incident if it is in one of the states."""
        incident = self.find_incident()
        return f"{incident.reason}" if incident and incident.state in states else None

    def say_slack(self, word: str) -> str | None:
        """Return the text of the first message to Slack with a word."""
        texts = [str(call.values.get("text", "")) for call in self.slack.calls if call.method.startswith("chat.")]
        return next((text.splitlines()[0] for text in texts if word in text.lower()), None)

    def say_alerts(self, *, ended: bool) -> str | None:
        """Return what Alertmanager says of the incident."""
        incident = self.find_incident()
        if incident is None:
            return None
        if ended:
            sent = self.servers.alertmanager.list_notifications(incident.id)
            return f"Alertmanager notified {sent[-1][0]}" if sent and sent[-1][0] == "resolved" else None
        return "alert active" if self.servers.alertmanager.list_alerts(incident.id) else None

    def say_verified(self, state: str) -> str | None:
        """Return what the verification of the rollback says."""
        found = [row.verification for row in self.list_rollbacks() if row.verification]
        return next((f"{one['state']}" for one in found if one["state"] == state), None)

    def press_in_slack(self) -> str | None:
        """Approve by the button and the dialog, once the message has the button."""
        for _, stamp in reversed(self.slack.messages):
            label = next((text for text in self.slack.buttons(stamp) if text.startswith(APPROVE)), None)
            if label is None:
                continue
            self.slack.send(self.slack.press(label, stamp), "press")
            if not self.slack.wait(lambda: self.slack.views, 10):
                return None
            self.slack.send(self.slack.submit("seen in the log"), "submit")
            return f"{label!r} and its dialog"
        return None

    def say_moved(self) -> str | None:
        """Return where the alias points once it points at the good version."""
        return f"alias {ALIAS} points at {GOOD}" if self.application.read_version() == GOOD else None

    def say_first_good(self) -> str | None:
        """Return that a record of the good version was logged again."""
        return f"of {GOOD}" if self.application.first_good else None


def configure(variant: Variant, servers: Servers, stage: Stage, end: datetime) -> dict[str, object]:
    """Return the configuration of the daemon; the baseline ends at a time."""
    url = stage.database.url.render_as_string(hide_password=False)
    effect = {"mode": variant.mode, "verify_within": "2m"}
    columns = {"timestamp": "at", "id": "id", "model_version": "model", "latency": "latency", "status": "status"}
    return {
        "store": url,
        "server": {"listen": f"127.0.0.1:{servers.daemon}"},
        "receivers": {
            "people": {
                "kind": "slack",
                "channel": "#ml",
                "token": BOT,
                "app_token": APP,
                "base_url": stage.slack.url,
                "users": {"U1ADA": "responder"},
            },
            "alerts": {"kind": "alertmanager", "base_url": servers.alertmanager.url},
            "lead": {"kind": "webhook", "url": stage.lead.url, "secret": "whsec_bm9uZQ=="},
            "rollback": {
                "kind": "mlflow",
                "base_url": f"http://127.0.0.1:{stage.proxy.port}",
                "model": stage.name,
                "alias": ALIAS,
                "versions": VERSIONS,
                "effect": effect,
            },
        },
        "monitors": [
            {
                "name": stage.name,
                "source": {"url": url, "table": "log", "columns": columns},
                "bucket": "15s",
                "window": "1m",
                "settle": "2s",
                "baseline": {"from": (end - timedelta(hours=1)).isoformat(), "to": end.isoformat()},
                "segments": ["model_version"],
                "signals": ["failed"],
                "checks": ["drift", "latency"],
                "rules": [
                    {
                        "when": ["drift", "latency"],
                        "resolve_for": 6,
                        "severity": "critical",
                        "do": ["people", "alerts", "rollback"],
                    }
                ],
                "escalate": [{"after": "12h", "do": ["lead"]}],
            }
        ],
    }


@contextmanager
def start_stage(variant: Variant, servers: Servers, folder: Path) -> Iterator[Stage]:
    """Register the model, write the past, start the application and the daemon, and wait until it is up to date."""
    name = f"bot-{variant.name}"
    servers.mlflow.register(name, len(VERSIONS))
    servers.mlflow.set_alias(name, ALIAS, int(VERSIONS[GOOD]))
    now = datetime.now(UTC) - RECENT
    end = now - timedelta(seconds=now.timestamp() % BUCKET.total_seconds())
    with ExitStack() as stack:
        url = stack.enter_context(servers.postgres.database())
        database = Database(url)
        stack.callback(database.close)
        application = Application(url, servers.mlflow, name, variant.reloads)
        slack = stack.enter_context(slack_api())
        lead = stack.enter_context(listening(Receiver()))
        proxy = stack.enter_context(proxied(int(servers.mlflow.url.rpartition(":")[2])))
        stage = Stage(variant, servers, slack, lead, application, database, proxy)
        application.write_past(end)
        stack.enter_context(application.run())
        config = folder / "driftd.yaml"
        config.write_text(yaml.safe_dump(configure(variant, servers, stage, end), sort_keys=False))
        stack.enter_context(
            running([DRIFTD, "run"], log=folder / "daemon.log", env={"DRIFTD_CONFIG": str(config)}, cwd=folder)
        )
        eventually(lambda: is_ready(stage), 300, "the baseline and the buckets until now")
        yield stage


def is_ready(stage: Stage) -> bool:
    """Return whether Prometheus has seen the baseline and the newest bucket is recent."""
    with stage.database.read() as connection:
        newest = reads.newest_bucket(connection, stage.name)
    current = newest is not None and newest.start > datetime.now(UTC) - 3 * BUCKET
    rows = stage.servers.prometheus.read(f'driftd_baseline_rows{{monitor="{stage.name}"}}')
    return current and bool(rows) and stage.slack.connections() > 0


def run(variant: Variant, servers: Servers, folder: Path) -> Sequence[str]:
    """Run a variant; return what was not as expected."""
    print(f"\n== {variant.name}", flush=True)
    with start_stage(variant, servers, folder) as stage:
        application = stage.application
        if variant.outage:
            stage.proxy.stall()
        swapped = datetime.now(UTC)
        application.swap()
        eventually(lambda: application.first_bad, 30, "the first bad record")
        timeline = Timeline(application.first_bad or swapped, LIMIT)
        timeline.note("first bad record", f"alias {ALIAS} was moved to the bad version", application.first_bad)
        timeline.watch([*list_common_steps(stage), *list_steps(stage, timeline)])
        check(stage, timeline)
    return timeline.problems


def list_common_steps(stage: Stage) -> list[Step]:
    """Return the steps until the rollback."""
    steps = [
        Step("pending", lambda: stage.say_incident("pending", "firing")),
        Step("firing", lambda: stage.say_incident("firing")),
        Step("Slack message", lambda: stage.say_slack(""), "firing"),
        Step("Prometheus: firing", lambda: "driftd_incidents 1" if stage.count("firing") == 1 else None),
        Step("Alertmanager: active", lambda: stage.say_alerts(ended=False)),
        Step("alias moved back", stage.say_moved),
    ]
    if stage.variant.press == "slack":
        steps.append(Step("press in Slack", stage.press_in_slack, "Slack message"))
    return steps


def list_steps(stage: Stage, timeline: Timeline) -> list[Step]:
    """Return the steps after the rollback, and those of the outage."""
    if not stage.variant.reloads:
        return [
            Step("not verified", lambda: stage.say_verified("not_verified")),
            Step("escalated to the lead", lambda: list_types(stage.lead), "not verified"),
        ]
    steps = [
        Step("first good record", stage.say_first_good),
        Step("verified", lambda: stage.say_verified("verified")),
        Step("resolved", lambda: stage.say_incident("resolved")),
        Step("Prometheus: resolved", lambda: "driftd_incidents 0" if stage.count("firing") == 0 else None, "resolved"),
        Step("Alertmanager: resolved", lambda: stage.say_alerts(ended=True), "resolved"),
        Step("Slack: resolved", lambda: stage.say_slack("resolved"), "resolved"),
    ]
    if stage.variant.outage:
        steps.append(Step("receiver is back", make_end_of_outage(stage), "firing"))
    return steps


def make_end_of_outage(stage: Stage) -> Callable[[], str | None]:
    """Return a look that ends the outage two minutes after the first request that got no answer."""
    since: list[datetime] = []

    def look() -> str | None:
        if not stage.proxy.keeps_back.is_set():
            return None
        since.append(datetime.now(UTC))
        if since[-1] - since[0] < OUTAGE:
            return None
        stage.proxy.resume()
        return f"{OUTAGE.total_seconds():g} s after the first request without an answer"

    return look


def list_types(receiver: Receiver) -> str | None:
    """Return the types of the messages to a webhook."""
    return ", ".join(str(json.loads(request.body)["type"]) for request in receiver.requests) or None


def check(stage: Stage, timeline: Timeline) -> None:
    """Check what must hold at the end."""
    rollbacks = stage.list_rollbacks()
    timeline.expect(len(rollbacks) == 1, f"{len(rollbacks)} rollbacks instead of 1")
    for row in rollbacks:
        timeline.expect(row.state == "delivered", f"the rollback is {row.state}: {row.reason}")
        measured = timeline.seconds.get("alias moved back")
        if measured is not None and row.reaction_seconds is not None:
            print(f"driftd's own time to the request: {row.reaction_seconds:.1f} s, of {row.attempts} attempts")
            gap = abs(row.reaction_seconds - measured)
            timeline.expect(
                stage.variant.outage or gap < 5, f"driftd's time differs from the measured one by {gap:.1f} s"
            )
    timeline.expect(not stage.application.errors, f"the application failed: {stage.application.errors[:3]}")
    timeline.expect(not stage.slack.refusals, f"Slack refused: {stage.slack.refusals}")
    timeline.expect(not stage.slack.late, f"Slack got late acknowledgements: {stage.slack.late}")
    with stage.database.read() as connection:
        entries = [(one.operation, one.by, one.result) for one in load_entries(connection)]
    print(f"audit log: {entries}")
    approved = [one for one in entries if one[0] == "approve" and one[2] == "done"]
    timeline.expect(len(approved) == bool(stage.variant.press), f"approvals in the audit log: {approved}")
