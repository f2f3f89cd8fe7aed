"""Plan the actions of all decisions about incidents of a bucket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor.actions.decision_context import DecisionContext
from monitor.actions.plan import is_unannounced, plan
from monitor.actions.plan_context import PlanContext, Receivers
from monitor.actions.retraining_context import build_retraining_context
from monitor.actions.retraining_requests import find_retraining_requests
from monitor.alerting.decisions import Decisions
from monitor.alerting.muting import without_muted
from monitor.config.models import Monitor
from monitor.config.rules import rule_name
from monitor.core.action import MESSAGES, STANDING, Action, PastAction
from monitor.core.incident import NO_DATA, Decision
from monitor.core.schedule import Bucket


def plan_incidents(
    monitor: Monitor, receivers: Receivers, decisions: Decisions, context: PlanContext
) -> tuple[list[Decision], list[Action]]:
    """Plan the actions about incidents; return the decisions with updated ``notified_at``, and the actions."""
    history = context.history
    rules = {rule_name(rule): rule for rule in monitor.rules}
    earlier = {incident.id: incident for incident in (*history.open.values(), *history.older)}
    requests = find_retraining_requests(monitor, decisions.incidents, receivers, history)
    retraining = build_retraining_context(monitor, requests, decisions.findings, context.retraining)
    incidents: list[Decision] = []
    actions: list[Action] = []
    for decision in decisions.incidents:
        if decision.mute is not None:
            incidents.append(decision)
            continue
        incident = decision.incident
        names = [name for name in incident.announcing_rules if name not in decision.mutes]
        part = [rules[name] for name in names if name in rules]
        before = earlier.get(incident.id)
        shown = replace(decision, incident=without_muted(decision, rules))
        first = not decision.transition and is_unannounced(incident, history.past)
        decision_context = DecisionContext(
            context.bucket,
            context.now,
            sequence=history.sequences.get(incident.id, 0),
            versions=history.versions,
            blamed=history.blamed,
            past=history.past,
            handling=history.find_handling(incident.id),
            repeat_interval=min((rule.repeat_interval for rule in part), default=None),
            fresh=incident.bad > (before.bad if before else 0),
            retraining=retraining.get(incident.id),
        )
        decided = replace(shown, transition="firing") if first else shown
        do = monitor.no_data.do if incident.group == NO_DATA else [name for rule in part for name in rule.do]
        planned = plan(monitor, decided, list(dict.fromkeys(do)), receivers, decision_context)
        actions += planned
        incidents.append(note_notification(decision, history.past, planned, context.bucket))
    return incidents, actions


def note_notification(
    decision: Decision, past: Sequence[PastAction], planned: Sequence[Action], bucket: Bucket
) -> Decision:
    """Set ``notified_at`` of a firing incident to its last message; None if every message failed or expired."""
    incident = decision.incident
    if incident.state != "firing":
        return decision
    messages = [row for row in past if row.incident == incident.id and row.kind in MESSAGES]
    at = incident.notified_at
    if messages and not any(row.state in STANDING for row in messages):
        at = None
    if any(action.kind in MESSAGES for action in planned):
        at = bucket.end
    return replace(decision, incident=replace(incident, notified_at=at))
