"""Plan the actions of all decisions about incidents of a bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from monitor.actions.decision_context import DecisionContext
from monitor.actions.plan import is_unannounced, plan
from monitor.actions.plan_context import PlanContext, Receivers
from monitor.actions.recipients import choose_recipients, find_escalations
from monitor.actions.retraining_context import build_retraining_context
from monitor.actions.retraining_requests import find_retraining_requests
from monitor.actions.verification import Conclusion, apply_conclusions, find_failure, plan_conclusion
from monitor.alerting.decisions import Decisions
from monitor.alerting.muting import without_muted
from monitor.config.models import Monitor
from monitor.core.action import MESSAGES, STANDING, Action, PastAction
from monitor.core.incident import Decision


def plan_incidents(
    monitor: Monitor,
    receivers: Receivers,
    decisions: Decisions,
    context: PlanContext,
    concluded: Mapping[str, Conclusion] | None = None,
) -> tuple[list[Decision], list[Action]]:
    """Plan the actions about incidents; return the decisions with updated ``notified_at``, and the actions.

    ``concluded`` are the verifications of effects that end with the bucket, by incident.
    """
    concluded = concluded or {}
    history = replace(context.history, past=apply_conclusions(context.history.past, concluded))
    earlier = {incident.id: incident for incident in (*history.open.values(), *history.older)}
    requests = find_retraining_requests(monitor, decisions.incidents, receivers, history)
    retraining = build_retraining_context(monitor, requests, decisions.findings, context.retraining)
    incidents: list[Decision] = []
    actions: list[Action] = []
    for decision in decisions.incidents:
        if decision.mute is not None:
            incidents += [] if decision.waiting else [decision]
            continue
        incident = decision.incident
        recipients = choose_recipients(monitor, decision)
        before = earlier.get(incident.id)
        shown = replace(decision, incident=without_muted(decision, monitor))
        first = not decision.transition and is_unannounced(incident, history.past)
        decision_context = DecisionContext(
            context.bucket,
            context.now,
            sequence=history.sequences.get(incident.id, 0),
            versions=history.versions,
            blamed=history.blamed,
            releases=history.releases,
            past=history.past,
            handling=history.find_handling(incident.id),
            repeat_interval=None if decision.waiting else recipients.repeat_interval,
            fresh=incident.bad > (before.bad if before else 0),
            failure=find_failure([row for row in history.past if row.incident == incident.id]),
            firing=history.firing,
            retraining=retraining.get(incident.id),
        )
        decided = replace(shown, transition="firing") if first else shown
        escalated = find_escalations(recipients, shown.incident, decision_context)
        names = list(dict.fromkeys([*([] if decision.waiting else recipients.names), *escalated]))
        planned = plan(monitor, decided, names, receivers, replace(decision_context, escalated=escalated))
        if incident.id in concluded:
            planned += plan_conclusion(monitor, shown.incident, concluded[incident.id], receivers, decision_context)
        actions += planned
        if planned or not decision.waiting:
            incidents.append(note_notification(decision, history.past, planned, context.bucket.end))
    return incidents, actions


def note_notification(
    decision: Decision, past: Sequence[PastAction], planned: Sequence[Action], end: datetime
) -> Decision:
    """Set ``notified_at`` of a firing incident to its last message; None if every message failed or expired.

    ``end`` is that of the bucket.
    """
    incident = decision.incident
    if incident.state != "firing":
        return decision
    messages = [row for row in past if row.incident == incident.id and row.kind in MESSAGES]
    at = incident.notified_at
    if messages and not any(row.state in STANDING for row in messages):
        at = None
    if any(action.kind in MESSAGES for action in planned):
        at = end
    return replace(decision, incident=replace(incident, notified_at=at))
