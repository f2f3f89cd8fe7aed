"""Plan the messages and effects of all decisions about a bucket: incidents, verdicts and breakers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitor.actions.breakers import BreakerInput, BreakerUpdate, evaluate_breakers, firing_after, silence_name
from monitor.actions.notifications import announce_verdict
from monitor.actions.plan import DecisionContext, is_unannounced, plan
from monitor.actions.retraining_context import RetrainingInput, build_retraining_context
from monitor.actions.retraining_requests import find_retraining_requests
from monitor.alerting.decide import Decisions
from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.config.rules import rule_name
from monitor.core.action import MESSAGES, STANDING, Action, AlertHistory, PastAction
from monitor.core.incident import NO_DATA, Decision
from monitor.core.schedule import Bucket

Receivers = Mapping[str, ReceiverConfig]


@dataclass(frozen=True)
class ActionPlan:
    """Incidents to store, actions to deliver, and changes of breakers.

    Parameters
    ----------
    announced
        Arms whose verdict was announced, by comparison.
    """

    incidents: Sequence[Decision] = ()
    actions: Sequence[Action] = ()
    announced: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    breakers: BreakerUpdate | None = None


@dataclass(frozen=True)
class PlanContext:
    """State that actions are planned from, besides the decisions.

    Parameters
    ----------
    now
        Time of the source's clock; actions are not sent after their `not_after`.
    retraining
        Data for the payload of a retraining; None if none can be requested.
    breakers
        Data that the breakers are evaluated against; None to not evaluate them.
    """

    history: AlertHistory
    bucket: Bucket
    now: datetime
    retraining: RetrainingInput | None = None
    breakers: BreakerInput | None = None


def plan_actions(monitor: Monitor, receivers: Receivers, decisions: Decisions, context: PlanContext) -> ActionPlan:
    """Plan every message and effect of decisions about incidents and verdicts, then evaluate the breakers.

    Silenced incidents, verdicts and breakers get no actions.
    """
    incidents, actions = plan_incidents(monitor, receivers, decisions, context)
    announced: dict[tuple[str, str], list[str]] = {}
    for change in decisions.verdicts:
        messages = announce_verdict(monitor, receivers, change, context.history, context.bucket, context.now)
        if messages is not None:
            announced.setdefault((change.kind, change.name), []).append(change.arm)
            actions += messages
    breakers = None
    if context.breakers is not None and monitor.breakers:
        inputs = replace(
            context.breakers,
            firing=firing_after([*context.history.open.values(), *context.history.older], incidents),
            silenced=[one.name for one in monitor.breakers if silence_name(one) in context.history.silences],
        )
        breakers = evaluate_breakers(monitor, context.bucket, inputs, receivers, context.now)
    return ActionPlan(incidents, actions, announced, breakers)


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
        if decision.silence is not None:
            incidents.append(decision)
            continue
        incident = decision.incident
        names = [name for name in incident.announcing_rules if name not in history.silences]
        part = [rules[name] for name in names if name in rules]
        before = earlier.get(incident.id)
        first = not decision.transition and is_unannounced(incident, history.past)
        decision_context = DecisionContext(
            context.bucket,
            context.now,
            sequence=history.sequences.get(incident.id, 0),
            versions=history.versions,
            blamed=history.blamed,
            past=history.past,
            repeat_interval=min((rule.repeat_interval for rule in part), default=None),
            fresh=incident.bad > (before.bad if before else 0),
            retraining=retraining.get(incident.id),
        )
        decided = replace(decision, transition="firing") if first else decision
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
