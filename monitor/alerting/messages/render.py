"""Turn the data of a message into a :class:`Message`, for every kind and every receiver. Pure."""

from __future__ import annotations

from datetime import UTC, tzinfo

from monitor.alerting.messages.digest import render_digest
from monitor.alerting.messages.effects import render_effect
from monitor.alerting.messages.incident import render_incident
from monitor.alerting.messages.message import Message
from monitor.alerting.messages.notices import render_breaker, render_expired, render_test, render_verdict
from monitor.alerting.messages.times import Times
from monitor.core.payload import ActionKind, EventData, Payload


def render(kind: ActionKind, payload: Payload, zone: tzinfo = UTC, *, follows: bool = False) -> Message:
    """Return a message. All fields of the payload are optional: another version may have stored it.

    Parameters
    ----------
    zone
        Time zone of the receiver.
    follows
        Whether it is in the thread of an earlier message, so that it says only what is new.
    """
    data: EventData = payload.get("data") or {}
    times = Times(zone, payload.get("timestamp"))
    if data.get("digest"):
        return render_digest(kind, data, times, follows=follows)
    if data.get("test"):
        return render_test(data, times)
    if kind == "verdict":
        return render_verdict(data, times)
    if data.get("breaker"):
        return render_breaker(data, times)
    if kind == "effect":
        return render_effect(data, times)
    if kind == "expired":
        return render_expired(data, times)
    return render_incident(kind, data, times, follows=follows)
