"""Plan the messages and effects of a decision about an incident. Each action has a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from monitor.actions.decision_context import DecisionContext
from monitor.actions.effects import (
    decide_effect,
    effect_due,
    find_repetition,
    is_frozen,
    newest_effect,
    obstacle_to_rollback,
)
from monitor.actions.identity import MESSAGE_NOT_AFTER, identity
from monitor.actions.message_data import describe_incident, describe_message, newest_effects
from monitor.actions.messages_due import MessageDue, backlog_pause, message_for, repeat_messages
from monitor.actions.retraining import fit_to_limit
from monitor.alerting.messages.render import render
from monitor.config.models import Monitor
from monitor.config.receivers import EffectSettings, ReceiverConfig
from monitor.core.action import Action, PastAction
from monitor.core.incident import Decision, Incident
from monitor.core.payload import EventData, Payload


def split_open(incidents: Iterable[Incident]) -> tuple[dict[str, Incident], list[Incident]]:
    """Return the newest open incident of each group, and the older ones, oldest first."""
    newest: dict[str, Incident] = {}
    older: list[Incident] = []
    for incident in sorted(incidents, key=lambda one: one.opened_at):
        if incident.group in newest:
            older.append(newest[incident.group])
        newest[incident.group] = incident
    return newest, older


def plan(
    monitor: Monitor,
    decision: Decision,
    names: Sequence[str],
    specs: Mapping[str, ReceiverConfig],
    context: DecisionContext,
) -> list[Action]:
    """Return the actions of a decision: first messages, then effects.

    ``names`` are the receivers in ``do:`` of the rule.
    """
    incident, rows = decision.incident, context.list_actions(decision.incident)
    settings = {name: specs[name].effect_settings for name in names if name in specs}
    dues = [
        due
        for name, effect in settings.items()
        if effect is None and (due := message_for(monitor, decision, name, context))
    ]
    restraints = {
        name: context.find_restraints(monitor, effect, incident)
        for name, effect in settings.items()
        if effect is not None
    }
    effects = {
        name: effect
        for name, effect in settings.items()
        if effect is not None
        and effect_due(
            decision, name, effect, rows, context.now, fresh=context.fresh, frozen=bool(restraints[name].freeze)
        )
    }
    if not effects and not dues:
        return []
    target = context.find_target(incident)
    common = describe_incident(monitor, incident, context.bucket, target)
    common |= context.describe_handling(incident)
    planned = [
        _effect(
            incident, name, effect, common, replace(context, restraints=restraints[name]), dry_run=specs[name].dry_run
        )
        for name, effect in effects.items()
    ]
    resumed = any(is_frozen(row) for row in newest_effects(rows, []) if row.name in effects)
    if resumed or any(one.state == "awaiting_approval" for one in planned):
        dues += repeat_messages(settings, dues, rows)
    mentions: list[Action | PastAction] = [*planned, *newest_effects(rows, list(effects))]
    pause = backlog_pause(monitor, context.bucket, context.now)
    messages = [
        _message(incident, due, describe_message(incident, due, common, mentions, specs[due.receiver]), context, pause)
        for due in dues
    ]
    return [*messages, *planned]


def is_unannounced(incident: Incident, past: Sequence[PastAction]) -> bool:
    """Return whether a firing incident has no actions yet because it was silenced."""
    firing = incident.state == "firing" and incident.fired_at is not None and incident.notified_at is None
    return firing and not any(row.incident == incident.id for row in past)


def _message(
    incident: Incident, message: MessageDue, data: EventData, context: DecisionContext, pause: timedelta
) -> Action:
    kind, now, sequence, name = message.kind, context.now, context.sequence, message.receiver
    body: Payload = {
        "type": f"driftd.incident.{kind}",
        "timestamp": context.bucket.end.isoformat(),
        "data": data,
    }
    escalation = context.escalated.get(name)
    if escalation:
        data["escalation"] = escalation
    data["summary"] = render(kind, body, follows=message.before is not None).second_line
    return Action(
        id=identity(incident.id, name, kind, sequence),
        monitor=incident.monitor,
        incident=incident.id,
        name=name,
        kind=kind,
        mode="auto",
        state="pending",
        reason=escalation if escalation and kind == "firing" else "every transition is announced",
        payload=fit_to_limit(body),
        created_at=now,
        sequence=sequence,
        not_after=now + MESSAGE_NOT_AFTER,
        dry_run=data["dry_run"],
        not_before=now + pause if pause and kind != "resolved" else None,
        supersedes=True,
    )


def _effect(
    incident: Incident,
    name: str,
    effect: EffectSettings,
    common: EventData,
    context: DecisionContext,
    *,
    dry_run: bool,
) -> Action:
    rows = context.list_actions(incident)
    repetition = find_repetition(rows, name, effect.kind, common["target"])
    obstacle = repetition or obstacle_to_rollback(incident, context.versions, context.blamed)
    state, reason = decide_effect(effect, name, incident, context.past, context.now, obstacle, context.restraints)
    before = newest_effect(rows, name)
    not_after = incident.updated_at + effect.not_after
    within = effect.verification_time
    data: EventData = {
        **common,
        "not_after": not_after.isoformat(),
        "approvals": effect.approvals,
        "dry_run": dry_run,
        "verify_within": within.total_seconds() if within is not None else None,
    }
    if effect.kind == "retrain":
        data["retraining"] = context.retraining
    return Action(
        id=identity(incident.id, name, effect.kind, context.sequence),
        monitor=incident.monitor,
        incident=incident.id,
        name=name,
        kind=effect.kind,
        mode=effect.mode,
        state=state,
        reason=reason,
        payload=fit_to_limit(
            {"type": f"driftd.{effect.kind}", "timestamp": context.bucket.end.isoformat(), "data": data}
        ),
        created_at=context.now,
        sequence=context.sequence,
        not_after=not_after,
        dry_run=dry_run,
        not_before=context.now + context.restraints.hold if state == "pending" and context.restraints.hold else None,
        replaces=before.id if before and before.state in ("pending", "awaiting_approval") else None,
    )
