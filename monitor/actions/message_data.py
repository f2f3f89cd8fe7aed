"""Data of the messages and effects of a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from monitor.actions.effects import guilty_version
from monitor.actions.messages_due import MessageDue
from monitor.alerting.first_bad import find_first_bad
from monitor.alerting.messages.headline import describe_situation, find_peak, leading_suspect, write_headline
from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.core.action import DESTRUCTIVE, Action, PastAction
from monitor.core.incident import Incident
from monitor.core.payload import ActionSummary, EventData, News
from monitor.core.schedule import Bucket

MOST_CHANGES = 5


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
        "first_bad_at": find_first_bad(incident, monitor.bucket).isoformat(),
    }


def describe_message(
    incident: Incident,
    message: MessageDue,
    common: EventData,
    mentions: Sequence[Action | PastAction],
    receiver: ReceiverConfig,
) -> EventData:
    """Return the data of a message, which has more than that of an effect."""
    news = message.news
    described: News | None = (
        {**news, "findings": news["findings"][:10], "changes": news["changes"][-MOST_CHANGES:]} if news else None
    )
    data: EventData = {
        **common,
        "headline": write_headline(incident, message.kind, news),
        "incident": {
            **common["incident"],
            "fired_at": _iso(incident.fired_at),
            "resolved_at": _iso(incident.resolved_at),
        },
        "actions": [summarize_action(action, message.before) for action in mentions],
        "news": described,
        "dry_run": receiver.dry_run,
        "link": link_incident(receiver, incident.id),
    }
    if peak := find_peak(incident):
        data["peak"] = peak
    return data


def link_incident(receiver: ReceiverConfig, incident: str) -> str | None:
    """Return the address of the page of an incident; None if the web interface has no address."""
    address = receiver.external_url
    return f"{address.rstrip('/')}/incidents/{incident}" if address else None


def newest_effects(rows: Sequence[PastAction], without: Sequence[str]) -> list[PastAction]:
    """Return the last effect of each receiver except those in ``without``."""
    return list({row.name: row for row in rows if row.kind in DESTRUCTIVE and row.name not in without}.values())


def summarize_action(action: Action | PastAction, before: PastAction | None = None) -> ActionSummary:
    """Return the fields of an action for a message; ``before`` is the last message to the receiver."""
    since = before.created_at if before else None
    if isinstance(action, Action):
        doubted = action.state == "awaiting_approval" and action.mode == "auto"
        reason = action.reason if action.state in ("held", "expired") or doubted else None
        target, ended, dry_run = action.payload["data"].get("target"), None, action.dry_run
    else:
        reason, target, ended, dry_run = None, action.target, action.finished_at, action.state == "dry_run"
    summary: ActionSummary = {
        "id": action.id,
        "name": action.name,
        "kind": action.kind,
        "mode": action.mode,
        "state": action.state,
        "reason": reason,
        "target": target,
        "not_after": _iso(action.not_after),
        "at": _iso(ended),
        "dry_run": dry_run,
        "is_new": since is None or action.created_at > since or (ended is not None and ended > since),
    }
    if isinstance(action, PastAction) and action.reaction is not None:
        summary["reaction"] = action.reaction.total_seconds()
    if isinstance(action, PastAction) and action.verification is not None:
        summary["verification"] = action.verification
    return summary


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
