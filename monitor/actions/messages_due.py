"""Decide which message about an incident is due for a receiver, and what is new in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from detectors.joint import JOINT
from monitor.actions.decision_context import DecisionContext
from monitor.alerting.incidents import repeat_due
from monitor.alerting.messages.headline import leading_suspect
from monitor.config.models import Monitor
from monitor.config.receivers import EffectSettings
from monitor.config.rules import is_more_severe
from monitor.core.action import MESSAGES, STANDING, PastAction
from monitor.core.incident import Decision, Incident
from monitor.core.payload import ActionKind, IncidentFinding, News
from monitor.core.schedule import Bucket

BACKLOG_SHARE = 10
LONGEST_RETRY = timedelta(hours=4)


@dataclass(frozen=True)
class MessageDue:
    """A message that is due: its kind, the last one that the receiver has, and the changes since."""

    receiver: str
    kind: ActionKind
    before: PastAction | None
    news: News = field(default_factory=News)


def message_for(monitor: Monitor, decision: Decision, name: str, context: DecisionContext) -> MessageDue | None:
    """Return the message about an incident that is due for a receiver; None if there is nothing new.

    It depends on the delivered messages, not on the planned ones: a message that failed or expired is planned again,
    after a delay that doubles. Updates are sent at most once per window and state all changes since the last message.
    """
    incident, bucket, now = decision.incident, context.bucket, context.now
    rows = context.list_actions(incident)
    mine = [row for row in rows if row.name == name and row.kind in MESSAGES]
    current = not backlog_pause(monitor, bucket, now)
    standing = [row for row in mine if row.state in STANDING and not (row.backlog and current)]
    has = [row for row in standing if not row.backlog and not row.refused]
    before = has[-1] if has else None
    last = standing[-1] if standing else None
    if incident.state == "resolved":
        over = decision.transition == "resolved" and incident.fired_at is not None and not decision.quiet
        return MessageDue(name, "resolved", before) if over and (last is None or last.kind != "resolved") else None
    if incident.state != "firing":
        return None
    news = find_news(monitor, incident, before) if before else {}
    missing = [row for row in mine if row.state in ("failed", "expired") and (not last or row.sequence > last.sequence)]
    following: ActionKind | None = "update" if news else "reminder"
    if missing and decision.transition != "firing" and now - missing[-1].created_at < _pause(monitor, len(missing)):
        return None
    if last is not None and not missing:
        following = _next_kind(monitor, incident, standing, context)
    if following is None:
        return None
    return MessageDue(name, following if before else "firing", before, news if following == "update" else {})


def repeat_messages(
    settings: Mapping[str, EffectSettings | None], dues: Sequence[MessageDue], rows: Sequence[PastAction]
) -> list[MessageDue]:
    """Return updates for the receivers that have a message about an incident and for which none is due."""
    last = {row.name: row for row in rows if row.kind in MESSAGES and row.state in STANDING}
    due = {one.receiver for one in dues}
    return [
        MessageDue(name, "update", last[name])
        for name, effect in settings.items()
        if effect is None and name in last and name not in due
    ]


def _pause(monitor: Monitor, failures: int) -> timedelta:
    """Return how long after the last of some failures a message is planned anew: at once after the first."""
    pause: timedelta = monitor.bucket * (2 ** min(failures - 1, 20) - 1)
    return min(pause, LONGEST_RETRY)


def _next_kind(
    monitor: Monitor, incident: Incident, standing: Sequence[PastAction], context: DecisionContext
) -> ActionKind | None:
    """Return the kind of the next message about a firing incident, None if none is due."""
    last, interval = standing[-1], context.repeat_interval
    news = find_news(monitor, incident, last)
    # effects that wait for approval change with the suspect
    by_updates_only = last.kind == "resolved" or news.get("suspected_change") or news.get("severity")
    paced = [row for row in standing if row.kind == "update" or not by_updates_only]
    if news and not any(context.now - row.created_at < monitor.window for row in paced):
        return "update"
    if interval is None or context.is_acknowledged(incident):
        return None
    notified = replace(incident, notified_at=last.at or last.created_at)
    return "reminder" if repeat_due(notified, interval, context.bucket.end) else None


def find_news(monitor: Monitor, incident: Incident, before: PastAction) -> News:
    """Return the changes of a firing incident since a message; empty if there are none.

    A finding that first drifts more than a window after an announcement is included only as part of a further change.
    After a digest, further findings are no news: the incident has no message that they could complete.
    """
    at = before.at or before.created_at
    last = (incident.announced_at or incident.opened_at) + monitor.window
    older = [item for item in incident.evidence.values() if not _rose_after(item, at)]
    keys = {(item["check"], item["column"], item["segment"]) for item in older}
    checks = {item["check"] for item in older}
    findings = [
        item
        for item in incident.evidence.values()
        if not before.in_digest
        and _rose_after(item, at)
        and not _rose_after(item, last)
        and (item["check"], item["column"], item["segment"]) not in keys
        and not (item["column"] == JOINT and item["check"] in checks)
    ]
    changes = [change for change in incident.changes if datetime.fromisoformat(change["at"]) > at]
    suspect = leading_suspect(incident)
    news: News = {
        "again": before.kind == "resolved",
        "changes": changes,
        "findings": findings,
        "suspected_change": suspect if suspect and str(suspect["value"]) != before.suspect else None,
        "severity": incident.severity if is_more_severe(incident.severity, before.severity) else None,
    }
    return news if any(news.values()) else {}


def _rose_after(item: IncidentFinding, moment: datetime) -> bool:
    since = item.get("since")
    return since is not None and datetime.fromisoformat(since) > moment


def backlog_pause(monitor: Monitor, bucket: Bucket, now: datetime) -> timedelta:
    """Return the delay of a message about an old bucket, so that a newer one can replace it; 0 for the newest bucket.

    After an outage the missed buckets are computed quickly, and the last of them describes the current state. For a
    monitor that cannot keep up, messages are delayed by an additional tenth of its lag.
    """
    lag = now - monitor.settle - bucket.end
    return lag / BACKLOG_SHARE if lag >= monitor.bucket else timedelta(0)
