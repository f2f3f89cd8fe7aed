"""Plan the messages and effects of a decision about an incident. Each action has a reason."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from detectors.joint import JOINT
from monitor.actions.retraining import fit_to_limit
from monitor.alerting.incidents import count_others, repeat_due
from monitor.alerting.suspects import describe_suspect, explains
from monitor.config.models import Monitor
from monitor.config.receivers import EffectSettings, ReceiverConfig
from monitor.config.rules import is_more_severe
from monitor.core.action import (
    DESTRUCTIVE,
    MESSAGES,
    NOT_SENT,
    STANDING,
    UNSENT,
    Action,
    ActionState,
    PastAction,
    Version,
)
from monitor.core.incident import NO_DATA, SEGMENT, UPSTREAM, VERSIONS, Decision, Incident
from monitor.core.payload import (
    ActionKind,
    ActionSummary,
    EventData,
    IncidentFinding,
    News,
    RetrainingData,
    Suspect,
)
from monitor.core.schedule import Bucket

NOT_OF_MODEL = "no finding is about the model: missing or bad data never triggers a rollback or retraining"
NOT_WORSE = "no finding is a deterioration: a neutral change never triggers a rollback or retraining"
LACKS_EVIDENCE = (
    NOT_OF_MODEL,
    NOT_WORSE,
    # as stored by earlier versions
    "no finding speaks of the model: not seeing, or bad data, never rolls back a model",
    "no finding is a change for the worse: what is neither good nor bad never rolls back a model",
)
MESSAGE_NOT_AFTER = timedelta(hours=24)
BACKLOG_SHARE = 10
LONGEST_RETRY = timedelta(hours=4)
NEVER_TRAFFIC = 50
MOST_CHANGES = 5
NAMESPACE = uuid.UUID("b2c0b1de-5a0b-4f7a-8d1c-6f2f1f0c1e22")


def split_open(incidents: Iterable[Incident]) -> tuple[dict[str, Incident], list[Incident]]:
    """Return the newest open incident of each group, and the older ones, oldest first."""
    newest: dict[str, Incident] = {}
    older: list[Incident] = []
    for incident in sorted(incidents, key=lambda one: one.opened_at):
        if incident.group in newest:
            older.append(newest[incident.group])
        newest[incident.group] = incident
    return newest, older


def identity(incident: str, name: str, kind: str, sequence: int) -> str:
    """Return the id of an action, which is the same for every retry."""
    return str(uuid.uuid5(NAMESPACE, f"{incident}/{name}/{kind}/{sequence}"))


@dataclass(frozen=True)
class DecisionContext:
    """State that the actions of a decision are planned from.

    Parameters
    ----------
    now
        The time of the source.
    sequence
        Number of the action within its incident.
    versions, blamed
        Traffic of versions, and versions with an incident of their own, to select the last known good version.
    past
        Earlier actions of the monitor.
    repeat_interval
        Interval of reminders; None for no reminders.
    fresh
        Whether this bucket itself is bad, which is required to plan an effect again.
    retraining
        Payload of a retraining, see :mod:`monitor.actions.retraining`.
    """

    bucket: Bucket
    now: datetime
    sequence: int
    versions: Sequence[Version] = ()
    blamed: Sequence[str] = ()
    past: Sequence[PastAction] = ()
    repeat_interval: timedelta | None = None
    fresh: bool = True
    retraining: RetrainingData | None = None

    def list_actions(self, incident: Incident) -> list[PastAction]:
        """Return the earlier actions of an incident in order."""
        return sorted((row for row in self.past if row.incident == incident.id), key=lambda row: row.sequence)


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


@dataclass(frozen=True)
class MessageDue:
    """A message that is due: its kind, whether it is the first to the receiver, and the changes since the last one."""

    kind: ActionKind
    is_first: bool
    news: News


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
        return MessageDue("resolved", not before, {}) if over and (last is None or last.kind != "resolved") else None
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
    return MessageDue(following if before else "firing", not before, news if following == "update" else {})


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
    notified = replace(incident, notified_at=last.at or last.created_at)
    due = interval is not None and repeat_due(notified, interval, context.bucket.end)
    return "reminder" if due else None


def find_news(monitor: Monitor, incident: Incident, before: PastAction) -> News:
    """Return the changes of a firing incident since a message; empty if there are none.

    A finding that first drifts more than a window after an announcement is included only as part of a further change.
    """
    at = before.at or before.created_at
    last = (incident.announced_at or incident.opened_at) + monitor.window
    older = [item for item in incident.evidence.values() if not _rose_after(item, at)]
    keys = {(item["check"], item["column"], item["segment"]) for item in older}
    checks = {item["check"] for item in older}
    findings = [
        item
        for item in incident.evidence.values()
        if _rose_after(item, at)
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


def leading_suspect(incident: Incident) -> Suspect | None:
    """Return the suspect of the latest change of an incident."""
    if len(incident.changes) > 1:
        return incident.changes[-1]["suspected_change"]
    return incident.suspected_change


def backlog_pause(monitor: Monitor, bucket: Bucket, now: datetime) -> timedelta:
    """Return the delay of a message about an old bucket, so that a newer one can replace it; 0 for the newest bucket.

    After an outage the missed buckets are computed quickly, and the last of them describes the current state. For a
    monitor that cannot keep up, messages are delayed by an additional tenth of its lag.
    """
    lag = now - monitor.settle - bucket.end
    return lag / BACKLOG_SHARE if lag >= monitor.bucket else timedelta(0)


def effect_due(
    decision: Decision, name: str, effect: EffectSettings, rows: Sequence[PastAction], now: datetime, *, fresh: bool
) -> bool:
    """Return whether an effect is planned now: when its rule fires, and again if it was missed or is outdated.

    It was missed if the bucket was too old, or if it could not be sent before ``not_after``. While the incident
    continues, the first bucket within ``not_after`` plans it again.
    """
    incident = decision.incident
    if incident.state != "firing":
        return False
    if decision.transition == "firing":
        return True
    last = newest_effect(rows, name)
    in_time = now <= incident.updated_at + effect.not_after
    return fresh and in_time and (last is None or last.missed or is_outdated(last, incident))


def newest_effect(rows: Sequence[PastAction], name: str) -> PastAction | None:
    """Return the last effect of a receiver among the actions of an incident."""
    return next((row for row in reversed(rows) if row.name == name and row.kind in DESTRUCTIVE), None)


def is_unannounced(incident: Incident, past: Sequence[PastAction]) -> bool:
    """Return whether a firing incident has no actions yet because it was silenced."""
    firing = incident.state == "firing" and incident.fired_at is not None and incident.notified_at is None
    return firing and not any(row.incident == incident.id for row in past)


def is_outdated(effect: PastAction, incident: Incident) -> bool:
    """Return whether an unsent effect concerns another version than the current suspect, or lacked evidence before."""
    if effect.state not in UNSENT or effect.refused:
        return False
    suspected = suspect_version(incident)
    if suspected is not None and effect.observed != suspected:
        return True
    return effect.state == "held" and effect.reason in LACKS_EVIDENCE and lacking_evidence(incident) is None


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
    news, headline = message.news, write_headline(monitor, incident, message)
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


def decide_effect(
    effect: EffectSettings,
    name: str,
    incident: Incident,
    past: Sequence[PastAction],
    now: datetime,
    obstacle: str | None = None,
) -> tuple[ActionState, str]:
    """Return the state of a new effect (pending, awaiting approval, held, expired or announced only), and the reason.

    ``obstacle`` is the reason why a rollback is not possible, None if it is.
    """
    lacking = lacking_evidence(incident)
    if effect.kind in DESTRUCTIVE and lacking:
        return "held", lacking
    if effect.kind == "rollback" and obstacle:
        return "held", obstacle
    if now > incident.updated_at + effect.not_after:
        return "expired", "the bucket is older than not_after: the effect would be too late"
    sent = [item for item in past if item.name == name and item.state not in NOT_SENT]
    alike = [item for item in sent if item.observed == guilty_version(incident)]
    if any(now - item.created_at < effect.cooldown for item in alike):
        return "held", "cooldown: the same action was planned recently"
    if sum(now - item.created_at < timedelta(days=1) for item in sent) >= effect.max_per_day:
        return "held", f"cap: at most {effect.max_per_day} a day"
    if effect.mode == "notify":
        return "told", "mode notify: the effect is announced and not sent"
    if effect.mode == "approve":
        return "awaiting_approval", "mode approve: `driftd actions approve` sends it"
    return "pending", "mode auto"


def obstacle_to_rollback(incident: Incident, versions: Sequence[Version], blamed: Sequence[str]) -> str | None:
    """Return why a rollback has no target, None if it has one or if no versions are logged."""
    if last_known_good(incident, versions, blamed) is not None:
        return None
    if last_known_good(incident, versions, blamed, drifted=()) is not None:
        return "every other version has drifted as well: a rollback would not help"
    if versions and suspect_version(incident) is None:
        return "no version is suspected, and no good version is known: a rollback has no target"
    return None


def lacking_evidence(incident: Incident) -> str | None:
    """Return why the evidence of an incident does not suffice for a destructive effect, None if it does."""
    about_model = [item for item in incident.evidence.values() if item["about"] == "model"]
    if incident.rule == NO_DATA or not about_model:
        return NOT_OF_MODEL
    return None if any(item.get("direction", "worse") == "worse" for item in about_model) else NOT_WORSE


def last_known_good(
    incident: Incident, versions: Sequence[Version], blamed: Sequence[str], drifted: Collection[str] | None = None
) -> dict[str, object] | None:
    """Return the newest model or prompt version with enough traffic, no incident of its own and no drift in this one.

    None if the incident has no suspected version to roll back from. ``drifted`` are the versions that drifted, by
    default those whose segment is in the evidence.
    """
    observed = guilty_version(incident)
    if observed is None:
        return None
    role, bad = observed
    part = versions_in_findings(incident, role) if drifted is None else drifted
    opened = incident.opened_at
    good = [
        version
        for version in versions
        if version.role == role
        and version.value not in (bad, *blamed, *part)
        and version.rows >= NEVER_TRAFFIC
        and version.first_seen < opened
    ]
    if not good:
        return None
    best = max(good, key=lambda version: (version.first_seen, version.last_seen))
    return {role: best.value, "last_seen": best.last_seen.isoformat(), "rows": best.rows}


def versions_in_findings(incident: Incident, role: str) -> set[str]:
    """Return the versions that are the segment of a finding of the incident."""
    about_model = [item for item in incident.evidence.values() if item["about"] == "model"]
    apart = [str(item["segment"]).partition("=") for item in about_model]
    return {value for kind, _, value in apart if kind == role}


def suspect_version(incident: Incident) -> tuple[str, str] | None:
    """Return role and value of the suspected version, None if the suspect is not a version."""
    suspect = incident.suspected_change
    return (str(suspect["kind"]), str(suspect["value"])) if suspect and suspect["kind"] in VERSIONS else None


def guilty_version(incident: Incident) -> tuple[str, str] | None:
    """Return role and value of the bad version: the suspect, else the version whose segment drifted most."""
    if suspected := suspect_version(incident):
        return suspected
    for item in incident.evidence.values():
        role, _, value = str(item["segment"]).partition("=")
        if role in VERSIONS and item["about"] == "model" and explains(str(item["segment"]), incident.evidence):
            return role, value
    return None


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
        "headline": _sentence(monitor, incident),
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
        "changes": list(incident.changes[-MOST_CHANGES:]),
        "target": target,
        "findings": list(incident.evidence.values())[:10],
    }


def write_headline(monitor: Monitor, incident: Incident, message: MessageDue) -> str:
    """Return the headline of a message: what fires, what is new, or that the incident continues or is resolved."""
    kind, news, why = message.kind, message.news, _suspicion(leading_suspect(incident))
    if kind == "resolved":
        times = f"from {_clock(incident.fired_at)} to {_clock(incident.resolved_at)}"
        what = f" {incident.changes[-1]['reason']}{why};" if incident.changes and message.is_first else ""
        return f"{monitor.name}: resolved, {incident.reason};{what} it fired {times}"
    if kind == "reminder":
        return f"{monitor.name}: still firing since {_clock(incident.fired_at)}: {incident.reason}{why}"
    if kind == "update" and not news.get("again") and not news.get("changes"):
        return f"{monitor.name}: {_new_findings(news) or _new_severity(news, incident) or 'now suspected'}{why}"
    return _sentence(monitor, incident)


def _sentence(monitor: Monitor, incident: Incident) -> str:
    """Say what an incident is about, and what is suspected."""
    return f"{monitor.name}: {incident.reason}{_suspicion(leading_suspect(incident))}"


def _new_findings(news: News) -> str:
    """Describe the new findings of an incident: the first one, and the number of others."""
    findings = news.get("findings") or []
    if not findings:
        return ""
    return f"also {findings[0]['reason']}{count_others(len(findings))}"


def _new_severity(news: News, incident: Incident) -> str:
    return f"now {news['severity']}: {incident.reason}" if news.get("severity") else ""


def _suspicion(suspect: Suspect | None) -> str:
    if not suspect:
        return ""
    prompt = f" ({suspect['prompt']})" if suspect.get("prompt") else ""
    first_time = _clock(datetime.fromisoformat(suspect["first_seen"]))
    if suspect["kind"] in (SEGMENT, UPSTREAM):
        return f"; {describe_suspect(suspect)} since {first_time}"
    return f"; {suspect['column']} {suspect['value']!r} first appeared at {first_time}{prompt}"


def _clock(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "an unknown time"


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
