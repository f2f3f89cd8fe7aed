"""Which receivers an incident concerns: those of its rules, and those it escalates to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.actions.decision_context import DecisionContext
from monitor.config.models import Escalation, Monitor
from monitor.config.rules import find_rule
from monitor.config.sections import format_duration
from monitor.core.action import MESSAGES, PastAction
from monitor.core.incident import NO_DATA, Decision, Incident


@dataclass(frozen=True)
class Recipients:
    """The receivers of the rules of an incident that are not muted, with the shortest interval of reminders."""

    names: Sequence[str] = ()
    repeat_interval: timedelta | None = None
    escalate: Sequence[Escalation] = ()


def choose_recipients(monitor: Monitor, decision: Decision) -> Recipients:
    """Return the receivers that the announcing rules of an incident name."""
    incident = decision.incident
    if incident.group == NO_DATA:
        names, interval, steps = monitor.no_data.do, None, monitor.no_data.escalate
    else:
        announcing = [name for name in incident.announcing_rules if name not in decision.mutes]
        part = [rule for name in announcing if (rule := find_rule(monitor.rules, name))]
        names = [name for rule in part for name in rule.do]
        interval = min((rule.repeat_interval for rule in part), default=None)
        steps = [step for rule in part for step in rule.escalate]
    return Recipients(list(dict.fromkeys(names)), interval, [*steps, *monitor.escalate])


def find_escalations(recipients: Recipients, incident: Incident, context: DecisionContext) -> dict[str, str]:
    """Return by receiver why an incident escalates to it, or did so before.

    It escalates if it is firing and not acknowledged some time after its announcement. That is its first message since
    it was resolved or acknowledged last, whether or not that was delivered. It also escalates if an effect did not
    help.
    """
    messages = [row for row in context.list_actions(incident) if row.kind in MESSAGES]
    announced = _find_announcement(messages, context.handling.acknowledged_at)
    fires = incident.state == "firing"
    failed = context.failure if fires else None
    waits = fires and announced is not None and not context.is_acknowledged(incident)
    involved = {row.name for row in messages}
    escalated: dict[str, str] = {}
    for step in sorted(recipients.escalate, key=lambda step: step.after):
        due = waits and announced is not None and context.now - announced >= step.after
        late = f"not acknowledged {format_duration(step.after)} after its announcement"
        reason = f"escalated: {failed or late}"
        for name in step.do:
            if (failed or due or name in involved) and name not in recipients.names:
                escalated.setdefault(name, reason)
    return escalated


def _find_announcement(messages: Sequence[PastAction], acknowledged_at: datetime | None) -> datetime | None:
    resolved = max((place for place, row in enumerate(messages) if row.kind == "resolved"), default=-1)
    current = (row.created_at for row in messages[resolved + 1 :])
    return next((at for at in current if acknowledged_at is None or at > acknowledged_at), None)
