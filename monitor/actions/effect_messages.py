"""Make the message that an effect was sent or waits for approval, or how its verification ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitor.actions.identity import MESSAGE_NOT_AFTER, identity
from monitor.alerting.messages.effect_text import write_effect_headline
from monitor.alerting.messages.render import render
from monitor.core.action import Action
from monitor.core.payload import ActionSummary, EventData, IncidentSummary, Payload


@dataclass(frozen=True)
class EffectNotice:
    """What a message about an effect says.

    Parameters
    ----------
    at
        Time of the message.
    sequence
        Its place in the incident.
    number
        Place of the effect in the incident.
    """

    monitor: str
    severity: str
    incident: IncidentSummary
    effect: ActionSummary
    at: datetime
    sequence: int
    number: int
    verify_within: float | None = None
    link: str | None = None


def make_effect_message(notice: EffectNotice, name: str, *, dry_run: bool = False) -> Action:
    """Return the message about an effect to a receiver."""
    effect, incident = notice.effect, notice.incident["id"]
    verification = effect.get("verification")
    waits = effect["state"] == "awaiting_approval"
    state, why = ("waiting", "an effect waits for approval") if waits else ("sent", "an effect was sent")
    if verification:
        state, why = verification["state"], "people are notified of the result of an effect"
    data: EventData = {
        "monitor": notice.monitor,
        "severity": notice.severity,
        "headline": write_effect_headline(notice.monitor, effect),
        "incident": notice.incident,
        "action": effect,
        "verify_within": notice.verify_within,
        "dry_run": dry_run,
        "link": notice.link,
    }
    body: Payload = {"type": f"driftd.effect.{state}", "timestamp": notice.at.isoformat(), "data": data}
    if waits:
        data["actions"] = [effect]
    data["summary"] = render("effect", body).second_line
    return Action(
        id=identity(incident, name, f"effect/{effect['name']}/{notice.number}/{state}", notice.sequence),
        monitor=notice.monitor,
        incident=incident,
        name=name,
        kind="effect",
        mode="auto",
        state="pending",
        reason=why,
        payload=body,
        created_at=notice.at,
        sequence=notice.sequence,
        not_after=notice.at + MESSAGE_NOT_AFTER,
        dry_run=dry_run,
    )
