"""Plan the messages and effects of a decision about an incident. Each action has a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from monitor.actions.decision_context import DecisionContext
from monitor.actions.effects import (
    decide_effect,
    effect_due,
    guilty_version,
    last_known_good,
    newest_effect,
    obstacle_to_rollback,
)
from monitor.actions.identity import MESSAGE_NOT_AFTER, identity
from monitor.actions.messages_due import MessageDue, backlog_pause, message_for
from monitor.actions.retraining import fit_to_limit
from monitor.alerting.messages.headline import describe_situation, leading_suspect, write_headline
from monitor.config.models import Monitor
from monitor.config.receivers import EffectSettings, ReceiverConfig
from monitor.core.action import DESTRUCTIVE, Action, PastAction
from monitor.core.incident import Decision, Incident
from monitor.core.payload import ActionSummary, EventData, News
from monitor.core.schedule import Bucket

MOST_CHANGES = 5


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
    messages = {
        name: message_for(monitor, decision, name, context) for name, effect in settings.items() if effect is None
    }
    effects = {
        name: effect
        for name, effect in settings.items()
        if effect is not None and effect_due(decision, name, effect, rows, context.now, fresh=context.fresh)
    }
    if not effects and not any(messages.values()):
        return []
    target = last_known_good(incident, context.versions, context.blamed)
    common = describe_incident(monitor, incident, context.bucket, target)
    common |= context.describe_handling(incident)
    planned = [
        _effect(incident, name, effect, common, context, dry_run=specs[name].dry_run)
        for name, effect in effects.items()
    ]
    mentions: list[Action | PastAction] = [*planned, *_newest_effects(rows, list(effects))]
    common["actions"] = [_mention(action) for action in mentions]
    return [
        *(
            _message(monitor, incident, name, message, common, context, dry_run=specs[name].dry_run)
            for name, message in messages.items()
            if message is not None
        ),
        *planned,
    ]


def is_unannounced(incident: Incident, past: Sequence[PastAction]) -> bool:
    """Return whether a firing incident has no actions yet because it was silenced."""
    firing = incident.state == "firing" and incident.fired_at is not None and incident.notified_at is None
    return firing and not any(row.incident == incident.id for row in past)


def _message(
    monitor: Monitor,
    incident: Incident,
    name: str,
    message: MessageDue,
    common: EventData,
    context: DecisionContext,
    *,
    dry_run: bool,
) -> Action:
    kind, bucket, now, sequence = message.kind, context.bucket, context.now, context.sequence
    news = message.news
    headline = write_headline(incident, kind, news, is_first=message.is_first)
    described: News | None = (
        {**news, "findings": news["findings"][:10], "changes": news["changes"][-MOST_CHANGES:]} if news else None
    )
    data: EventData = {**common, "headline": headline, "news": described, "dry_run": dry_run}
    pause = backlog_pause(monitor, bucket, now)
    return Action(
        id=identity(incident.id, name, kind, sequence),
        monitor=monitor.name,
        incident=incident.id,
        name=name,
        kind=kind,
        mode="auto",
        state="pending",
        reason="every transition is announced",
        payload=fit_to_limit({"type": f"driftd.incident.{kind}", "timestamp": bucket.end.isoformat(), "data": data}),
        created_at=now,
        sequence=sequence,
        not_after=now + MESSAGE_NOT_AFTER,
        dry_run=dry_run,
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
    obstacle = obstacle_to_rollback(incident, context.versions, context.blamed)
    state, reason = decide_effect(effect, name, incident, context.past, context.now, obstacle)
    before = newest_effect(context.list_actions(incident), name)
    not_after = incident.updated_at + effect.not_after
    data: EventData = {**common, "not_after": not_after.isoformat(), "dry_run": dry_run}
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
        replaces=before.id if before and before.state in ("pending", "awaiting_approval") else None,
    )


def describe_incident(
    monitor: Monitor, incident: Incident, bucket: Bucket, target: Mapping[str, object] | None
) -> EventData:
    """Return the data that all actions of a decision share.

    After a further change of the incident, ``suspected_change`` is the suspect of the latest change.
    """
    observed = guilty_version(incident)
    return {
        "monitor": monitor.name,
        "severity": incident.severity,
        "headline": describe_situation(incident),
        "incident": {
            "id": incident.id,
            "state": incident.state,
            "rule": incident.rule,
            "opened_at": incident.opened_at.isoformat(),
            "reason": incident.reason,
        },
        "window": {"start": (bucket.end - monitor.window).isoformat(), "end": bucket.end.isoformat()},
        "observed_version": {observed[0]: observed[1]} if observed else None,
        "suspected_change": leading_suspect(incident),
        "suspects": list(incident.suspects),
        "changes": list(incident.changes[-MOST_CHANGES:]),
        "target": target,
        "findings": list(incident.evidence.values())[:10],
    }


def _newest_effects(rows: Sequence[PastAction], without: Sequence[str]) -> list[PastAction]:
    """Return the last effect of each receiver except those in ``without``."""
    return list({row.name: row for row in rows if row.kind in DESTRUCTIVE and row.name not in without}.values())


def _mention(action: Action | PastAction) -> ActionSummary:
    reason = action.reason if isinstance(action, Action) and action.state in ("held", "expired") else None
    return {
        "id": action.id,
        "name": action.name,
        "kind": action.kind,
        "mode": action.mode,
        "state": action.state,
        "reason": reason,
    }
