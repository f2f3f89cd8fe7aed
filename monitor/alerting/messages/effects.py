"""Messages about an effect: that it was sent or waits for approval, and how its verification ended."""

from __future__ import annotations

from monitor.alerting.messages.effect_text import describe_traffic, format_seconds
from monitor.alerting.messages.incident import read_severity, read_title
from monitor.alerting.messages.message import Message, Step
from monitor.alerting.messages.steps import describe_effect
from monitor.alerting.messages.times import Times
from monitor.core.payload import EventData

STEPS = {
    "verified": "To do: look at the other findings.",
    "not_verified": "To do: look for another cause; driftd does not repeat this action in this incident.",
    "unknown": "To do: check by hand whether it helped.",
}
"""What to do, by state of the verification."""


def render_effect(data: EventData, times: Times) -> Message:
    """Return a message about an effect that was sent, waits for approval, or whose verification has ended."""
    effect = data.get("action")
    title, severity, link = read_title(data), read_severity(data), data.get("link")
    if effect is None:
        return Message("firing", severity, title, link=link)
    if effect["state"] == "awaiting_approval":
        step = describe_effect({**effect, "reason": None}, times)
        return Message("firing", severity, title, "", step, link=link)
    verification, sent = (
        effect.get("verification"),
        f"{effect.get('name')} accepted it at {times.short(effect.get('at'))}",
    )
    if verification is None:
        within = data.get("verify_within")
        measured = f" The traffic after it is measured for up to {format_seconds(within)}." if within else ""
        return Message("firing", severity, title, f"{sent}.{measured}", link=link)
    measured = f"{sent}; measured on {describe_traffic(verification)}."
    return Message("firing", severity, title, measured, Step(STEPS[verification["state"]]), link=link)
