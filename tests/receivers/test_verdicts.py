"""Messages of verdicts go to every receiver that is named, each with an id of its own that stays."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from monitor.actions.identity import NAMESPACE
from monitor.actions.notifications import announce_experiment, announce_shadow, thread_key
from monitor.config.models import Monitor
from tests.support.receivers import settings_of, slack_settings

END = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EXPERIMENT = {
    "name": "small",
    "control": "a",
    "treatments": ["b"],
    "from": "2026-11-01",
    "metrics": ["score"],
    "do": ["slack", "hook", "slack"],
}
SHADOW = {
    "name": "beside",
    "champion": "a",
    "challenger": "b",
    "join": "id",
    "from": "2026-11-01",
    "do": ["hook", "slack"],
}
MONITOR = Monitor.model_validate(
    {
        "name": "bot",
        "source": {"url": "sqlite://", "table": "log", "columns": {"timestamp": "at"}},
        "experiments": [EXPERIMENT],
        "shadows": [SHADOW],
    }
)
RECEIVERS = {"slack": slack_settings(), "hook": settings_of("webhook", dry_run=True)}


def test_a_verdict_is_one_message_a_receiver() -> None:
    told = {"verdict": "lose", "reason": "it is worse"}
    slack, hook = announce_experiment(MONITOR, MONITOR.experiments[0], "b", told, END, 3, RECEIVERS)
    thread = thread_key("bot", "small", "b")
    seconds = int(END.timestamp())
    assert slack.id == str(uuid.uuid5(NAMESPACE, f"{thread}/slack/verdict/{seconds}"))  # as releases before had it
    assert hook.id == str(uuid.uuid5(NAMESPACE, f"{thread}/hook/verdict/{seconds}"))
    assert [(one.name, one.kind, one.sequence, one.dry_run) for one in (slack, hook)] == [
        ("slack", "verdict", 3, False),
        ("hook", "verdict", 3, True),
    ]
    assert slack.payload == hook.payload


def test_a_shadow_tells_every_receiver_too() -> None:
    told = {"verdict": "agrees", "reason": "alike", "pairs": 7}
    planned = announce_shadow(MONITOR, MONITOR.shadows[0], told, END, 0, END, RECEIVERS)
    assert [one.name for one in planned] == ["hook", "slack"]
    assert {one.not_after for one in planned} == {END + timedelta(hours=24)}
