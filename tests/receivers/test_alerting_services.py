"""PagerDuty, Opsgenie and Teams at the wire: each fake refuses what its service refuses, and hostile texts fit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from monitor.actions.receivers.base import Delivery, DeliveryResult
from tests.support import receiver as far
from tests.support.receivers import NOW, attempt, receiver_at, settings_of

Answer = tuple[int, dict[str, str], bytes]
LINK = "https://driftd.internal/incidents/incident-1"
HOSTILE = '<at>all</at> [x](http://evil.example) *b* `c` "q"\u202e\x00\n# 漢 ' * 40


def finding(text: str) -> dict[str, Any]:
    """Return a finding whose reason is a text."""
    return {
        "check": "drift",
        "column": "score",
        "method": "psi",
        "segment": None,
        "statistic": 1.0,
        "threshold": 0.2,
    } | {
        "worst": 1.0,
        "about": "outputs",
        "reason": text,
        "n_baseline": 900,
        "n_window": 90,
    }


def message(kind: str = "firing", text: str = "score rose", **data: Any) -> Delivery:
    """Return a message about an incident."""
    incident = {
        "id": "incident-1",
        "state": "resolved" if kind == "resolved" else "firing",
        "rule": "answers",
        "opened_at": "2026-11-23T11:00:00+00:00",
        "fired_at": "2026-11-23T11:10:00+00:00",
        "resolved_at": "2026-11-23T11:50:00+00:00" if kind == "resolved" else None,
        "reason": text,
    }
    payload = {
        "type": f"driftd.incident.{kind}",
        "timestamp": NOW.isoformat(),
        "data": {
            "monitor": "bot",
            "severity": "critical",
            "headline": f"bot: {text}",
            "incident": incident,
            "findings": [finding(text) for _ in range(10)],
            "link": LINK,
            **data,
        },
    }
    thread = None if kind == "firing" else {"rule": "answers"}
    return Delivery(f"id-{kind}", kind, payload, NOW, thread)  # type: ignore[arg-type]


BREAKER = Delivery(
    "id-breaker",
    "firing",
    {
        "type": "driftd.breaker.open",
        "data": {
            "monitor": "bot",
            "severity": "critical",
            "headline": "bot: guard is open",
            "breaker": {"name": "guard", "value": "small-7b", "state": "open", "since": NOW.isoformat(), "reason": "x"},
        },
    },
    NOW,
)


def say(code: int, /, **body: object) -> Answer:
    return code, {"content-type": "application/json"}, json.dumps(body).encode()


class Events:
    """PagerDuty: alerts by dedup_key, with their state and summary."""

    def __init__(self) -> None:
        self.alerts: dict[str, tuple[str, str]] = {}
        self.details: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []

    def change(self, event: dict[str, Any]) -> Answer:
        """Store a change event: it has no severity and no key, and opens no alert."""
        payload = event.get("payload", {})
        valid = set(event) <= {"routing_key", "payload", "links"} and len(event.get("routing_key", "")) == 32
        valid = valid and set(payload) <= {"summary", "source", "timestamp", "custom_details"}
        if not valid or not 1 <= len(payload.get("summary", "")) <= 1024:
            return say(400, status="invalid event", message="Event object is invalid")
        self.changes.append(event)
        return say(202, status="success", message="Change event processed")

    def answer(self, request: far.Request) -> Answer:
        if request.path == "/v2/change/enqueue":
            return self.change(json.loads(request.body))
        if request.path != "/v2/enqueue" or request.headers["content-type"] != "application/json":
            return say(404)
        if len(request.body) > 512 * 1024:
            return say(413)
        event = json.loads(request.body)
        errors = self.check(event)
        if errors:
            return say(400, status="invalid event", message="Event object is invalid", errors=errors)
        key, before = event["dedup_key"], self.alerts.get(event["dedup_key"], ("", ""))
        if event["event_action"] == "trigger":
            self.alerts[key] = ("triggered", event["payload"]["summary"])
            self.details.append(event["payload"])
        elif before[0]:
            self.alerts[key] = (f"{event['event_action']}d", before[1])
        return say(202, status="success", message="Event processed", dedup_key=key)

    def check(self, event: dict[str, Any]) -> list[str]:
        allowed = {"routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links", "images"}
        errors = [f"unknown field {name}" for name in set(event) - allowed]
        if len(event.get("routing_key", "")) != 32:
            errors.append("Length of 'routing_key' is incorrect (should be 32 characters)")
        if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
            errors.append("'event_action' is invalid")
        if not 1 <= len(event.get("dedup_key", "")) <= 255:
            errors.append("'dedup_key' is invalid")
        errors += [f"link {link}" for link in event.get("links", []) if not link["href"].startswith("https://")]
        if event.get("event_action") != "trigger":
            return errors
        payload = event.get("payload", {})
        fields = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}
        errors += [f"unknown field {name}" for name in set(payload) - fields]
        if not 1 <= len(payload.get("summary", "")) <= 1024 or not payload.get("source"):
            errors.append("'payload.summary' or 'payload.source' is invalid")
        if payload.get("severity") not in ("critical", "error", "warning", "info"):
            errors.append("'payload.severity' is invalid")
        return errors


class Alerts:
    """Opsgenie: alerts by alias, with their state and how often they were created."""

    LIMITS = {"message": 130, "alias": 512, "description": 15_000, "entity": 512, "source": 100, "note": 25_000}

    def __init__(self) -> None:
        self.alerts: dict[str, list[object]] = {}
        self.bodies: list[dict[str, Any]] = []

    def answer(self, request: far.Request) -> Answer:
        if request.headers.get("authorization") != "GenieKey eb243592-faa2-4ba2-a551":
            return say(401, message="Could not authenticate")
        body = json.loads(request.body)
        allowed = {*self.LIMITS, "priority", "tags", "details", "responders", "user"}
        if set(body) - allowed or any(len(body.get(name, "")) > most for name, most in self.LIMITS.items()):
            return say(422, message="Request body is not processable. Please check the errors.")
        parts = urlsplit(request.path)
        self.bodies.append(body)
        if parts.path == "/v2/alerts":
            return self.create(body)
        match = re.fullmatch(r"/v2/alerts/([^/]+)/(close|acknowledge)", parts.path)
        if (
            match is None
            or parse_qs(parts.query) != {"identifierType": ["alias"]}
            or set(body) - {"source", "note", "user"}
        ):
            return say(404, message="No such route")
        if unquote(match[1]) in self.alerts:
            self.alerts[unquote(match[1])][0] = match[2]
        return say(202, result="Request will be processed", requestId="1")

    def create(self, body: dict[str, Any]) -> Answer:
        valid = body.get("message") and body.get("priority") in ("P1", "P2", "P3", "P4", "P5")
        valid = valid and len(body["tags"]) <= 20 and all(1 <= len(tag) <= 50 for tag in body["tags"])
        valid = valid and sum(len(name) + len(value) for name, value in body["details"].items()) <= 8000
        if not valid:
            return say(422, message="Request body is not processable. Please check the errors.")
        state = self.alerts.setdefault(body["alias"], ["open", 0])
        state[0], state[1] = "open", int(str(state[1])) + 1
        return say(202, result="Request will be processed", requestId="1")


class Channel:
    """A webhook of Teams: posts with one Adaptive Card of elements that it knows."""

    ELEMENTS = {"RichTextBlock": {"type", "inlines"}, "TextRun": None, "Action.OpenUrl": {"type", "title", "url"}}
    RUN = {"type", "text", "size", "weight", "color", "fontType", "isSubtle"}

    def __init__(self) -> None:
        self.cards: list[dict[str, Any]] = []

    def answer(self, request: far.Request) -> Answer:
        if request.path != "/workflows/1?sig=canary":
            return say(401, error={"code": "DirectApiAuthorizationRequired"})
        if len(request.body.decode().encode("utf-16-le")) > 28 * 1024 + 512:  # the envelope is not counted
            return 413, {}, b""
        body = json.loads(request.body)
        (attachment,) = body["attachments"]
        card = attachment["content"]
        if body["type"] != "message" or attachment["contentType"] != "application/vnd.microsoft.card.adaptive":
            return say(400, error="InvalidRequest")
        if set(card) - {"$schema", "type", "version", "body", "msteams", "actions"} or card["type"] != "AdaptiveCard":
            return say(400, error="InvalidCard")
        for block in [*card["body"], *card.get("actions", [])]:
            if set(block) != self.ELEMENTS.get(block["type"]):
                return say(400, error="InvalidCard")
            if not all(
                set(run) <= self.RUN and run["type"] == "TextRun" and run["text"] for run in block.get("inlines", [])
            ):
                return say(400, error="InvalidCard")
        self.cards.append(card)
        return 202, {}, b""


def send(kind: str, answer: Callable[[far.Request], Answer], *deliveries: Delivery, **settings: Any) -> DeliveryResult:
    """Deliver one after another; return the last result. The preview of each is what was sent first."""
    with far.listening(far.Receiver(answer)) as side:
        receiver = receiver_at(kind, side.url + ("/workflows/1?sig=canary" if kind == "teams" else ""), **settings)
        for delivery in deliveries:
            preview = receiver.describe_request(delivery)
            before = len(side.requests)
            result = attempt(receiver, delivery)
            sent = side.requests[before].body.decode().replace("e93facc04764012d7bfb002500d5d1a6", "…")
            assert (preview.method, preview.body) == ("POST", sent)
            assert "canary" not in repr((preview, result))
    return result


def test_an_incident_is_one_alert_of_pagerduty() -> None:
    events = Events()
    send("pagerduty", events.answer, message(), message("update"), message("reminder", acknowledged_by="ada"))
    assert events.alerts == {"incident-1": ("acknowledged", "bot: score rose")}
    send("pagerduty", events.answer, message("resolved"))
    assert events.alerts["incident-1"][0] == "resolved"
    first = events.details[0]
    assert (first["source"], first["severity"], first["component"]) == ("bot", "critical", "answers")
    assert first["timestamp"] == "2026-11-23T11:10:00+00:00"
    assert first["custom_details"]["action_id"] == "id-firing"
    assert len(events.details) == 2


def verdict(name: str) -> Delivery:
    """Return a message about a verdict of an experiment."""
    experiment = {"name": "small", "control": "a", "treatment": "b", "verdict": name, "reason": "it is worse"}
    data = {"monitor": "bot", "severity": "warning", "headline": "bot: b is worse than a", "experiment": experiment}
    payload = {"type": "driftd.experiment.verdict", "timestamp": NOW.isoformat(), "data": data}
    return Delivery(f"id-{name}", "verdict", payload, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["lose", "win", "invalid"])
def test_a_verdict_opens_no_alert_that_nobody_resolves(name: str) -> None:
    events, alerts = Events(), Alerts()
    assert send("pagerduty", events.answer, verdict(name)).delivered
    assert events.alerts == {}
    (change,) = events.changes
    assert (change["payload"]["summary"], change["payload"]["source"]) == ("bot: b is worse than a", "bot")
    assert send("opsgenie", alerts.answer, verdict(name)).delivered
    assert alerts.alerts == {f"id-{name}": ["close", 1]}


def test_an_opsgenie_alert_of_a_verdict_that_could_not_be_closed_is_tried_again() -> None:
    alerts = Alerts()
    answer = lambda request: say(503) if "/close" in request.path else alerts.answer(request)  # noqa: E731
    result = send("opsgenie", answer, verdict("lose"))
    assert (result.reason, result.retry) == ("server", True)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("critical", "critical"), ("warning", "warning"), ("info", "info"), ("x", "info")]
)
def test_a_severity_is_one_of_pagerduty(ours: str, theirs: str) -> None:
    events = Events()
    send("pagerduty", events.answer, message(severity=ours))
    assert events.details[0]["severity"] == theirs


def test_a_wrong_routing_key_is_for_good() -> None:
    with far.listening(far.Receiver(Events().answer)) as side:
        result = attempt(receiver_at("pagerduty", side.url, routing_key="short"), message())
    assert (result.reason, result.retry) == ("client", False)


@pytest.mark.parametrize("kind", ["pagerduty", "opsgenie", "teams"])
def test_hostile_texts_fit_and_a_poor_message_is_one(kind: str) -> None:
    service: Any = {"pagerduty": Events, "opsgenie": Alerts, "teams": Channel}[kind]()
    suspects = [{"kind": "model_version", "column": "model", "value": HOSTILE, "first_seen": NOW.isoformat()}] * 9
    poor = Delivery("id-poor", "verdict", {"type": "x", "data": {}}, NOW)  # type: ignore[arg-type]
    for delivery in (message(text=HOSTILE, suspects=suspects), message("resolved", text=HOSTILE), poor, BREAKER):
        assert send(kind, service.answer, delivery).delivered


def test_episodes_of_a_breaker_are_one_alert() -> None:
    events = Events()
    closed = json.loads(json.dumps(BREAKER.payload))
    closed["data"]["breaker"]["state"] = "closed"
    send("pagerduty", events.answer, BREAKER, Delivery("id-2", "resolved", closed, NOW + timedelta(minutes=5)))
    assert {key: state for key, (state, _) in events.alerts.items()} == {"bot/breaker/guard/small-7b": "resolved"}


def test_an_incident_is_one_alert_of_opsgenie() -> None:
    alerts = Alerts()
    send("opsgenie", alerts.answer, message(), message("update"), message("reminder", acknowledged_by="ada"))
    assert alerts.alerts == {"incident-1": ["acknowledge", 2]}
    send("opsgenie", alerts.answer, message("resolved"))
    assert alerts.alerts == {"incident-1": ["close", 2]}
    created = alerts.bodies[0]
    assert (created["message"], created["priority"], created["entity"]) == ("bot: score rose", "P1", "bot")
    assert created["tags"] == ["bot", "answers", "critical"]
    assert created["responders"] == [{"type": "team", "name": "ml-platform"}]
    assert created["details"] == {"action_id": "id-firing", "monitor": "bot", "rule": "answers", "link": LINK}
    assert "It fired from 2026-11-23 11:10 UTC to 11:50 UTC" in alerts.bodies[-1]["note"]


def test_a_wrong_key_of_opsgenie_is_for_good() -> None:
    assert send("opsgenie", Alerts().answer, message(), api_key="canary") == DeliveryResult("auth", "status 401")


def test_a_card_shows_the_message_and_no_markup() -> None:
    channel = Channel()
    assert send("teams", channel.answer, message(text="**bold** <at>all</at>")).delivered
    (card,) = channel.cards
    runs = [run["text"] for block in card["body"] for run in block["inlines"]]
    assert runs[0] == "bot: **bold** <at>all</at>"
    assert runs[-1].endswith("action id-firing")
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open the incident", "url": LINK}]
    assert not any(block["type"] == "TextBlock" for block in card["body"])  # whose text is markup


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            b"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429",
            "rate_limited",
        ),
        (b"Webhook Message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413", "server"),
    ],
)
def test_a_failure_with_status_200_is_one(body: bytes, reason: str) -> None:
    result = send("teams", lambda _: (200, {}, body), message())
    assert (result.reason, result.retry) == (reason, True)


def test_a_wrong_signature_of_teams_is_for_good() -> None:
    with far.listening(far.Receiver(Channel().answer)) as side:
        assert attempt(receiver_at("teams", side.url + "/workflows/1?sig=wrong"), message()).reason == "auth"


@pytest.mark.parametrize("kind", ["pagerduty", "opsgenie", "alertmanager"])
def test_each_incident_is_an_alert_of_its_own_however_many_there_are(kind: str) -> None:
    assert settings_of(kind).digest_settings is None
