"""A message with lines that are safe to show, and the alert that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Literal

from monitor.actions.receivers.base import THREADED, Delivery
from monitor.actions.receivers.plain_text import one_line
from monitor.alerting.messages.message import IncidentLine, Message, Step
from monitor.alerting.messages.render import render

LONGEST_LINE = 2000


@dataclass(frozen=True)
class Alert:
    """What an alerting service needs to know besides the message.

    Parameters
    ----------
    key
        The same for all messages about an incident, or about an episode of a breaker.
    state
        `info` is news, which nobody resolves, such as a verdict; it must not open an alert.
    """

    key: str
    state: Literal["firing", "acknowledged", "resolved", "info"]
    severity: str
    monitor: str
    rule: str
    started_at: datetime
    ended_at: datetime


def describe_alert(delivery: Delivery, message: Message) -> Alert:
    """Return the alert of a delivery; fields of the payload may be missing."""
    data: Mapping[str, object] = dict(delivery.payload.get("data") or {})
    incident, breaker = _mapping(data.get("incident")), _mapping(data.get("breaker"))
    monitor = one_line(data.get("monitor") or "driftd", 200)
    rule = one_line(incident.get("rule") or breaker.get("name") or delivery.kind, 200)
    key = str(incident.get("id") or delivery.id)
    if breaker:
        key = one_line(f"{monitor}/breaker/{rule}/{breaker.get('value') or ''}", 200)
    acknowledged = message.state == "firing" and bool(data.get("acknowledged_by"))
    return Alert(
        key,
        "acknowledged" if acknowledged else message.state,
        message.severity if message.severity in ("critical", "warning") else "info",
        monitor,
        rule,
        _moment(incident.get("fired_at") or incident.get("opened_at"), delivery.created_at),
        _moment(incident.get("resolved_at"), delivery.created_at),
    )


def render_delivery(delivery: Delivery, zone: tzinfo) -> Message:
    """Return the message of a delivery: only what is new, if an earlier one about the incident was delivered."""
    return render_lines(delivery, zone, follows=delivery.thread is not None and delivery.kind in THREADED)


def render_lines(delivery: Delivery, zone: tzinfo, *, follows: bool) -> Message:
    """Return the message of a delivery with lines that are safe to show."""
    message = render(delivery.kind, delivery.payload, zone, follows=follows)
    return Message(
        message.state,
        message.severity,
        _line(message.title),
        _line(message.summary),
        _step(message.step) if message.step else None,
        [_line(fact) for fact in message.facts],
        [_line(suspect) for suspect in message.suspects],
        [_step(step) for step in message.steps],
        message.link,
        _line(message.footer),
        [IncidentLine(entry.state, entry.severity, _line(entry.text), entry.link) for entry in message.entries],
    )


def list_lines(message: Message) -> list[str]:
    """Return all lines of a message after its title."""
    lines = [message.second_line, *(entry.text for entry in message.entries), *message.facts]
    lines += ["Other suspects:", *message.suspects] if message.suspects else []
    return [line for line in [*lines, *map(str, message.steps), message.footer] if line]


def _step(step: Step) -> Step:
    return Step(_line(step.text), _line(step.command) if step.command else None)


def _line(text: str) -> str:
    return one_line(text, LONGEST_LINE)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _moment(text: object, default: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return default
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
