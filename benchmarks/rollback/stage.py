"""A running daemon with its application, and all that it talks to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.rollback.servers import Servers
from benchmarks.rollback.traffic import ALIAS, GOOD, RECENT, VERSIONS, Application
from monitor.core.incident import Incident
from monitor.store import reads
from monitor.store.database import Database
from monitor.store.rows import ActionRow
from tests.support.process import eventually, running
from tests.support.proxy import Proxy, proxied
from tests.support.receiver import Receiver, listening
from tests.support.slack_api import APP, BOT, SlackApi, slack_api
from tests.support.world import DRIFTD
from tests.web.browser_check import start_chromium

BUCKET = timedelta(seconds=15)
APPROVE = "Approve"


@dataclass(frozen=True)
class Variant:
    """A way from the swap to the end.

    Parameters
    ----------
    press
        Where a person approves the rollback: `slack` or `browser`; nowhere if empty.
    reloads
        Whether the application asks MLflow for the version after the swap.
    outage
        Whether MLflow does not answer the daemon for two minutes from the swap on.
    monitors
        How many monitors watch the application; from three on, all that fire at once are a storm.
    """

    name: str
    mode: str
    press: str = ""
    reloads: bool = True
    outage: bool = False
    monitors: int = 1


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
    browser: Any = None

    @property
    def model(self) -> str:
        """Return the name of the model."""
        return f"bot-{self.variant.name}"

    @property
    def monitors(self) -> list[str]:
        """Return the names of the monitors."""
        return [self.model, *(f"{self.model}-{number}" for number in range(2, self.variant.monitors + 1))]

    def find_incident(self, monitor: str) -> Incident | None:
        """Return the incident of the swap in a monitor."""
        with self.database.read() as connection:
            rows = reads.incident_rows(connection, monitor)
        return next((row for row in rows if row.suspected_change or row.state != "pending"), rows[0] if rows else None)

    def list_rollbacks(self) -> list[ActionRow]:
        """Return the rollbacks, oldest first."""
        with self.database.read() as connection:
            rows = reads.action_rows(connection, most=1000)
        return sorted((row for row in rows if row.kind == "rollback"), key=lambda row: row.created_at)

    def say_scraped(self, firing: int) -> str | None:
        """Return what Prometheus says, once it has scraped that as many incidents fire."""
        prometheus, name = self.servers.prometheus, f'monitor=~"{self.model}.*"'
        scraped = prometheus.read('up{job="driftd"}') == 1
        count = prometheus.read(f'sum(driftd_incidents{{{name},state="firing"}})')
        return f'driftd_incidents{{state="firing"}} {firing}' if scraped and count == firing else None

    def say_incidents(self, *states: str) -> str | None:
        """Return the reason of the first incident if those of all monitors are in one of the states."""
        found = [self.find_incident(monitor) for monitor in self.monitors]
        known = [one for one in found if one is not None and one.state in states]
        return known[0].reason if len(known) == len(found) else None

    def say_slack(self, word: str) -> str | None:
        """Return the text of the first message to Slack with a word."""
        texts = [str(call.values.get("text", "")) for call in self.slack.calls if call.method.startswith("chat.")]
        return next((text.splitlines()[0] for text in texts if word in text.lower()), None)

    def say_alerts(self, *, ended: bool) -> str | None:
        """Return what Alertmanager says of the incidents of all monitors."""
        found = [self.find_incident(monitor) for monitor in self.monitors]
        server, known = self.servers.alertmanager, [one.id for one in found if one is not None]
        if ended:
            sent = [server.list_notifications(one) for one in known]
            return "its notification: resolved" if all(each and each[-1][0] == "resolved" for each in sent) else None
        active = len(known) == len(found) and all(server.list_alerts(one) for one in known)
        return f"{len(known)} active" if active else None

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

    def press_in_browser(self) -> str | None:
        """Approve by the button of the incident's page."""
        incident = self.find_incident(self.model)
        if incident is None:
            return None
        page = self.browser.new_page()
        page.goto(f"http://127.0.0.1:{self.servers.daemon}/incidents/{incident.id}")
        button = page.get_by_role("button", name=re.compile(f"^{APPROVE}"))
        if not button.count():
            page.close()
            return None
        label = button.first.inner_text()
        button.first.click()
        button.first.wait_for(state="detached")
        page.close()
        return f"{label!r} on the page of the incident"

    def say_held(self) -> str | None:
        """Return why no rollback was sent, once those of all monitors wait because of the storm."""
        rows = self.list_rollbacks()
        held = [row for row in rows if row.state == "awaiting_approval" and "fire at the same time" in row.reason]
        return f"{len(held)} rollbacks: {held[0].reason}" if len(held) == len(rows) == len(self.monitors) else None

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
                "model": stage.model,
                "alias": ALIAS,
                "versions": VERSIONS,
                "effect": effect,
            },
        },
        "monitors": [
            {
                "name": name,
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
                        "resolve_for": 3,
                        "severity": "critical",
                        "do": ["people", "alerts", "rollback"],
                    }
                ],
                "escalate": [{"after": "12h", "do": ["lead"]}],
            }
            for name in stage.monitors
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
        browser = stack.enter_context(start_chromium()) if variant.press == "browser" else None
        stage = Stage(variant, servers, slack, lead, application, database, proxy, browser)
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
    """Return whether Prometheus has scraped each baseline and the newest buckets are recent."""
    with stage.database.read() as connection:
        newest = [reads.newest_bucket(connection, monitor) for monitor in stage.monitors]
    current = all(one is not None and one.start > datetime.now(UTC) - 3 * BUCKET for one in newest)
    scraped = stage.servers.prometheus.read(f'count(driftd_baseline_rows{{monitor=~"{stage.model}.*"}} > 0)')
    return current and scraped == len(newest) and stage.slack.connections() > 0
