"""A store with a firing incident, an effect that awaits approval, and a Slack receiver whose API is on loopback."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from monitor.actions.receivers import make_receivers
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import Action
from monitor.core.incident import Decision, Incident
from monitor.core.payload import EventData
from monitor.jobs.delivery import deliver_due, expire_late
from monitor.jobs.message_updates import plan_updates
from monitor.store import incidents, outbox
from monitor.store.audit import load_entries
from monitor.store.database import Database
from monitor.store.tables import actions, silences
from tests.support.hand import Hand
from tests.support.receivers import settings_of
from tests.support.slack_api import APP, BOT, SlackApi

NOW = datetime(2026, 11, 23, 16, 55, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
INCIDENT = "11111111-0000-4000-8000-000000000000"
EFFECT = "22222222-0000-4000-8000-000000000000"
TARGET = {"model_version": "gpt-4o"}


class SlackWorld:
    """``settings`` are those of the receiver `ml`; the effect's receiver is `deploy`."""

    def __init__(self, database: Database, api: SlackApi, **settings: Any) -> None:
        self.database, self.api, self.clock = database, api, Hand(NOW)
        given: dict[str, Any] = {"token": BOT, "app_token": APP, "users": {"U1ADA": "responder"}, **settings}
        self.configs: dict[str, ReceiverConfig] = {
            "ml": settings_of("slack", base_url=api.url, channel="#ml", **given),
            "deploy": settings_of("webhook", effect={"kind": "rollback"}),
        }
        self.receivers = make_receivers(self.configs)
        self.updates = plan_updates(database, self.receivers, self.clock)
        self.number = 0

    def open(self) -> None:
        """Store the incident with its effect, and a message about both."""
        self.decide("firing")
        effect = self.action("rollback", name="deploy", mode="approve", state="awaiting_approval")
        self.save(replace(effect, id=EFFECT, not_after=NOW + 15 * MINUTE))
        self.message("firing", "awaiting_approval")

    def decide(self, state: Any, **changes: Any) -> None:
        incident = Incident(INCIDENT, "bot", "answers", "critical", state, NOW, self.clock.now(), "it rose", bad=1)
        with self.database.write() as connection:
            incidents.save_decision(connection, Decision(replace(incident, fired_at=NOW, **changes), state, "it rose"))

    def message(self, kind: Any, state: str = "", effect: str = EFFECT, **data: Any) -> None:
        """Store a message that mentions the effect in a state."""
        waiting: list[Any] = [
            {"id": effect, "name": "deploy", "kind": "rollback", "mode": "approve", "state": state, "target": TARGET}
        ]
        self.save(
            self.action(kind, link="https://driftd.internal/incidents/1", actions=waiting if state else [], **data)
        )

    def action(self, kind: Any, name: str = "ml", mode: str = "auto", state: Any = "pending", **data: Any) -> Action:
        self.number += 1
        event: Any = {
            "monitor": "bot",
            "severity": "critical",
            "headline": f"bot: {kind}: failure rate 63 %",
            "incident": {"id": INCIDENT, "rule": "answers", "opened_at": NOW.isoformat(), "reason": "it rose"},
            "target": TARGET,
            **data,
        }
        payload: Any = {"type": f"driftd.{kind}", "timestamp": NOW.isoformat(), "data": EventData(**event)}
        identity = f"33333333-0000-4000-8000-{self.number:012d}"
        return Action(identity, "bot", INCIDENT, name, kind, mode, state, "", payload, self.clock.now(), self.number)

    def save(self, action: Action) -> None:
        with self.database.write() as connection:
            outbox.save_actions(connection, [action])

    def turn(self) -> None:
        """Deliver and update what is due, as the jobs of the daemon do."""
        expire_late(self.database, self.clock)
        deliver_due(self.database, {"ml": self.receivers["ml"]}, self.clock, "ml")
        for update in self.updates:
            update.run()

    def state(self, identity: str = EFFECT) -> str:
        with self.database.read() as connection:
            return str(connection.execute(sa.select(actions.c.state).where(actions.c.id == identity)).scalar_one())

    def entries(self) -> list[tuple[str, str, str]]:
        """Return operation, author and result of the entries of the audit log, oldest first."""
        with self.database.read() as connection:
            return [(one.operation, one.by, one.result) for one in reversed(load_entries(connection))]

    def silences(self) -> int:
        with self.database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(silences)).scalar_one())

    def texts(self, place: int = 0) -> list[str]:
        """Return the texts of a message as it is now, without those of its buttons."""
        blocks = list(self.api.messages.values())[place]["blocks"]
        parts = [[block["text"]] if "text" in block else block["elements"] for block in blocks]
        return [part["text"] for each in parts for part in each if part["type"] == "mrkdwn"]

    def labels(self, place: int = 0) -> list[str]:
        """Return the texts of the buttons of a message."""
        return list(self.api.buttons(list(self.api.messages)[place][1]))
