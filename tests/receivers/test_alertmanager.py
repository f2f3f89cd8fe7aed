"""Alerts in a real Alertmanager: they appear, stay without being sent again, change their severity, and end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.actions.receivers.base import Delivery
from tests.receivers.test_alerting_services import HOSTILE, LINK, message
from tests.support.alertmanager import AlertmanagerServer, serving
from tests.support.process import eventually
from tests.support.receivers import attempt, receiver_at, settings_of


@pytest.fixture(scope="module")
def real(alertmanager: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertmanagerServer]:
    with serving(alertmanager, tmp_path_factory.mktemp("alertmanager")) as server:
        yield server


def now(incident: str, kind: str = "firing", **data: Any) -> Delivery:
    """Return a message of this moment about an incident of an hour ago."""
    at = datetime.now(UTC)
    made = message(kind, **data)
    made.payload["data"]["incident"] |= {  # type: ignore[operator]
        "id": incident,
        "opened_at": (at - timedelta(hours=1)).isoformat(),
        "fired_at": (at - timedelta(hours=1)).isoformat(),
        "resolved_at": at.isoformat() if kind == "resolved" else None,
    }
    return replace(made, created_at=at)


def test_an_alert_appears_is_extended_and_ends(real: AlertmanagerServer) -> None:
    receiver = receiver_at("alertmanager", real.url, labels={"team": "ml"})
    first = attempt(receiver, now("a"))
    assert (first.reason, first.receipt) == ("delivered", {"rule": "answers"})
    (alert,) = eventually(lambda: real.list_alerts("a"), 30, "the alert")
    assert alert["labels"] == {
        "alertname": "DriftdAlert",
        "monitor": "bot",
        "rule": "answers",
        "severity": "critical",
        "incident": "a",
        "team": "ml",
    }
    assert alert["generatorURL"] == LINK
    assert alert["annotations"]["summary"] == "bot: score rose"
    ends = datetime.fromisoformat(alert["endsAt"].replace("Z", "+00:00"))
    assert timedelta(hours=23) < ends - datetime.now(UTC) < timedelta(hours=25)  # however short resolve_timeout is
    attempt(receiver, now("a", "reminder"))
    (extended,) = eventually(lambda: real.list_alerts("a"), 30, "the alert")
    assert extended["fingerprint"] == alert["fingerprint"]
    assert extended["endsAt"] > alert["endsAt"]
    attempt(receiver, now("a", "resolved"))
    assert eventually(lambda: real.list_alerts("a") == [], 30, "the end")
    eventually(lambda: ("resolved", "critical") in real.list_notifications("a"), 30, "the notification")
    assert real.list_notifications("a")[0] == ("firing", "critical")


def test_a_severity_that_changes_leaves_one_alert(real: AlertmanagerServer) -> None:
    receiver = receiver_at("alertmanager", real.url)
    attempt(receiver, now("b", severity="warning"))
    eventually(lambda: real.list_notifications("b"), 30, "the first notification")
    attempt(receiver, now("b", "update"))
    eventually(lambda: [one["labels"]["severity"] for one in real.list_alerts("b")] == ["critical"], 30, "the change")
    attempt(receiver, now("b", "resolved"))
    assert eventually(lambda: real.list_alerts("b") == [], 30, "the end")


def test_a_rule_that_changes_does_not_change_the_alert(real: AlertmanagerServer) -> None:
    receiver = receiver_at("alertmanager", real.url)
    first = attempt(receiver, now("c"))
    later = now("c", "resolved")
    later.payload["data"]["incident"]["rule"] = "another"
    attempt(receiver, replace(later, thread=first.receipt))
    assert eventually(lambda: real.list_alerts("c") == [], 30, "the end")


def test_an_alert_of_which_nothing_is_heard_ends(real: AlertmanagerServer) -> None:
    receiver = receiver_at("alertmanager", real.url, expires="1s")
    attempt(receiver, now("d"))
    eventually(lambda: ("firing", "critical") in real.list_notifications("d"), 30, "the alert")
    assert eventually(lambda: real.list_alerts("d") == [], 30, "its end")


def test_a_real_alertmanager_takes_hostile_texts(real: AlertmanagerServer) -> None:
    assert attempt(receiver_at("alertmanager", real.url), now("e", text=HOSTILE)).delivered
    (alert,) = eventually(lambda: real.list_alerts("e"), 30, "the alert")
    assert "\u202e" not in json.dumps(alert, ensure_ascii=False)


@pytest.mark.parametrize(
    "settings",
    [
        {"labels": {"severity": "x"}},
        {"labels": {"a-b": "x"}},
        {"username": "driftd"},
        {"token": "t", "username": "a", "password": "b"},
    ],
)
def test_what_alertmanager_cannot_take_is_an_error_of_the_configuration(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings_of("alertmanager", **settings)
