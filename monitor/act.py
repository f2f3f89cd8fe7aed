"""Act: a decision becomes intended effects. Pure: what is to be sent, held or left, each with its reason."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from monitor.config import ActionSpec, Monitor
from monitor.judge import NO_DATA, Change, Decision, Incident
from monitor.prompts import Prompt
from monitor.retraining import bounded
from monitor.schedule import Bucket

ActionState = Literal[
    "pending", "awaiting_approval", "delivered", "failed", "expired", "held", "rejected", "dry_run", "told"
]
DESTRUCTIVE = ("rollback", "retrain")
SLACK_NOT_AFTER = timedelta(hours=24)
NEVER_TRAFFIC = 50
MOST_CHANGES_TOLD = 5
NAMESPACE = uuid.UUID("b2c0b1de-5a0b-4f7a-8d1c-6f2f1f0c1e22")


@dataclass(frozen=True)
class Action:
    """A row of the outbox: an intended outside effect with one identity for ever."""

    id: str
    monitor: str
    incident: str
    name: str
    kind: str
    mode: str
    state: ActionState
    reason: str
    payload: Mapping[str, Any]
    created_at: datetime
    sequence: int
    not_after: datetime | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Version:
    """Traffic of one model or prompt version."""

    role: str
    value: str
    first_seen: datetime
    last_seen: datetime
    rows: int


@dataclass(frozen=True)
class Past:
    """One earlier action, for cooldown and cap; ``observed`` is the role and the value of the version it was about."""

    name: str
    created_at: datetime
    state: str
    observed: tuple[str, str] | None = None


@dataclass(frozen=True)
class Context:
    """The past of a monitor, as far as the next decision needs it.

    ``open`` is the newest open incident of each rule; ``older`` are the others, which a new version left behind, oldest
    first.
    """

    open: Mapping[str, Incident] = field(default_factory=dict)
    older: Sequence[Incident] = ()
    resolved: Mapping[str, Incident] = field(default_factory=dict)
    silences: Mapping[str, int] = field(default_factory=dict)
    sequences: Mapping[str, int] = field(default_factory=dict)
    changes: Sequence[Change] = ()
    versions: Sequence[Version] = ()
    blamed: Sequence[str] = ()
    past: Sequence[Past] = ()
    prompts: Sequence[Prompt] = ()
    blind: int = 0


def split_open(incidents: Iterable[Incident]) -> tuple[dict[str, Incident], list[Incident]]:
    """Return the newest open incident of each rule, and the older ones, oldest first."""
    newest: dict[str, Incident] = {}
    older: list[Incident] = []
    for incident in sorted(incidents, key=lambda one: one.opened_at):
        if incident.rule in newest:
            older.append(newest[incident.rule])
        newest[incident.rule] = incident
    return newest, older


def identity(incident: str, name: str, kind: str, sequence: int) -> str:
    """Return the id that every retry of one effect carries."""
    return str(uuid.uuid5(NAMESPACE, f"{incident}/{name}/{kind}/{sequence}"))


def plan(
    monitor: Monitor,
    decision: Decision,
    names: Sequence[str],
    specs: Mapping[str, ActionSpec],
    bucket: Bucket,
    *,
    now: datetime,
    sequence: int,
    versions: Sequence[Version] = (),
    blamed: Sequence[str] = (),
    past: Sequence[Past] = (),
    remind: bool = False,
    retraining: Mapping[str, Any] | None = None,
) -> list[Action]:
    """Return the actions of one decision: messages always first, then effects, each with a reason.

    Parameters
    ----------
    names
        What the rule's ``do`` lists.
    sequence
        A number that orders the actions of an incident and tells reminders apart.
    versions, blamed
        Known traffic, and versions that had an incident of their own, for the last known good.
    past
        Earlier actions of this monitor, for cooldown and the daily cap.
    retraining
        What a retraining is told besides: see :mod:`monitor.retraining`.
    """
    messages = {"firing": "firing", "resolved": "resolved"}
    transition = messages.get(decision.transition or "", "update" if remind or decision.news else "")
    if not transition or (transition == "update" and decision.incident.state != "firing"):
        return []
    if transition == "resolved" and (decision.incident.fired_at is None or decision.quiet):
        return []
    if transition == "firing" and decision.incident.notified_at is not None:
        transition = "update"  # it is back: the same thread, not another page
    effects = [name for name in names if name in specs] if decision.transition == "firing" else []
    target = last_known_good(decision.incident, versions, blamed)
    lost = target is None and last_known_good(decision.incident, versions, blamed, drifted=()) is not None
    common = payload(monitor, decision, bucket, target)
    planned = [
        _effect(monitor, decision.incident, name, specs[name], common, now, sequence, past, retraining, lost=lost)
        for name in effects
    ]
    if "slack" not in names:
        return planned
    told = {**common, "data": {**common["data"], "actions": [_mention(action) for action in planned]}}
    return [_message(monitor, decision.incident, transition, told, now, sequence), *planned]


def _message(
    monitor: Monitor, incident: Incident, kind: str, body: Mapping[str, Any], now: datetime, sequence: int
) -> Action:
    return Action(
        id=identity(incident.id, "slack", kind, sequence),
        monitor=monitor.name,
        incident=incident.id,
        name="slack",
        kind=kind,
        mode="auto",
        state="pending",
        reason="people are told of every transition",
        payload=body,
        created_at=now,
        sequence=sequence,
        not_after=now + SLACK_NOT_AFTER,
    )


def _effect(
    monitor: Monitor,
    incident: Incident,
    name: str,
    spec: ActionSpec,
    common: Mapping[str, Any],
    now: datetime,
    sequence: int,
    past: Sequence[Past],
    retraining: Mapping[str, Any] | None,
    *,
    lost: bool,
) -> Action:
    state, reason = decide(spec, name, incident, past, now, lost=lost)
    not_after = incident.updated_at + spec.not_after
    data = {**common["data"], "not_after": not_after.isoformat(), "dry_run": spec.dry_run}
    if spec.kind == "retrain":
        data["retraining"] = retraining
    return Action(
        id=identity(incident.id, name, spec.kind, sequence),
        monitor=monitor.name,
        incident=incident.id,
        name=name,
        kind=spec.kind,
        mode=spec.mode,
        state=state,
        reason=reason,
        payload=bounded({**common, "type": f"driftd.{spec.kind}", "data": data}),
        created_at=now,
        sequence=sequence,
        not_after=not_after,
        dry_run=spec.dry_run,
    )


def decide(
    spec: ActionSpec, name: str, incident: Incident, past: Sequence[Past], now: datetime, *, lost: bool = False
) -> tuple[ActionState, str]:
    """Decide whether an effect goes out now, waits for a person, or is held, and say why.

    ``lost`` says that every version to go back to has drifted in the same incident.
    """
    about_model = [item for item in incident.evidence.values() if item["about"] == "model"]
    if spec.kind in DESTRUCTIVE and (incident.rule == NO_DATA or not about_model):
        return "held", "no finding speaks of the model: not seeing, or bad data, never rolls back a model"
    if spec.kind in DESTRUCTIVE and all(item.get("direction", "worse") != "worse" for item in about_model):
        return "held", "no finding is a change for the worse: what is neither good nor bad never rolls back a model"
    if spec.kind == "rollback" and lost:
        return "held", "every other version has drifted as well: going back to one of them would cure nothing"
    if now > incident.updated_at + spec.not_after:
        return "expired", "the bucket is older than not_after: a late effect is worse than none"
    sent = [item for item in past if item.name == name and item.state not in ("held", "expired", "rejected")]
    alike = [item for item in sent if item.observed == observed_version(incident)]
    if any(now - item.created_at < spec.cooldown for item in alike):
        return "held", "cooldown: the same action was decided a short while ago"
    if sum(now - item.created_at < timedelta(days=1) for item in sent) >= spec.max_per_day:
        return "held", f"cap: {spec.max_per_day} a day are allowed"
    if spec.mode == "notify":
        return "told", "mode notify: people are told, nothing is sent"
    if spec.mode == "approve":
        return "awaiting_approval", "mode approve: `driftd actions approve` sends it"
    return "pending", "mode auto"


def last_known_good(
    incident: Incident, versions: Sequence[Version], blamed: Sequence[str], drifted: Collection[str] | None = None
) -> dict[str, Any] | None:
    """Return the newest model or prompt version with enough traffic, no incident of its own and no part in this one.

    None when the incident names no bad version, for then nothing says what to go back from. ``drifted`` are the
    versions with a part in it, by default those whose segment is in its evidence.
    """
    observed = observed_version(incident)
    if observed is None:
        return None
    role, bad = observed
    part = drifted_versions(incident, role) if drifted is None else drifted
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


def drifted_versions(incident: Incident, role: str) -> set[str]:
    """Return the versions of which a finding of the incident speaks by themselves."""
    told = [item for item in incident.evidence.values() if item["about"] == "model"]
    apart = [str(item["segment"] or "").partition("=") for item in told]
    return {value for kind, _, value in apart if kind == role}


def observed_version(incident: Incident) -> tuple[str, str] | None:
    """Return role and value of the version that looks guilty: a first sight, else the worst segment."""
    suspect = incident.suspected_change
    if suspect and suspect["kind"] in ("model_version", "prompt_version"):
        return str(suspect["kind"]), str(suspect["value"])
    for item in incident.evidence.values():
        role, _, value = str(item["segment"] or "").partition("=")
        if role in ("model_version", "prompt_version") and item["about"] == "model":
            return role, value
    return None


def payload(monitor: Monitor, decision: Decision, bucket: Bucket, target: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what every receiver gets: who, when, why, from which version to which.

    When an incident has changed again, ``suspected_change`` is what came before the further change.
    """
    incident = decision.incident
    suspect = decision.change["suspected_change"] if decision.change else incident.suspected_change
    observed = observed_version(incident)
    return {
        "type": f"driftd.incident.{incident.state}",
        "timestamp": bucket.end.isoformat(),
        "data": {
            "monitor": monitor.name,
            "severity": incident.severity,
            "headline": headline_of(monitor, incident, suspect),
            "incident": {
                "id": incident.id,
                "state": incident.state,
                "rule": incident.rule,
                "opened_at": incident.opened_at.isoformat(),
                "reason": incident.reason,
            },
            "window": {"start": (bucket.end - monitor.window).isoformat(), "end": bucket.end.isoformat()},
            "observed_version": {observed[0]: observed[1]} if observed else None,
            "suspected_change": suspect,
            "changes": [dict(change) for change in incident.changes[-MOST_CHANGES_TOLD:]],
            "target": target,
            "findings": list(incident.evidence.values())[:10],
        },
    }


def headline_of(monitor: Monitor, incident: Incident, suspect: Mapping[str, Any] | None) -> str:
    """Say the incident in one sentence, and what first appeared just before."""
    if incident.state == "resolved":
        return f"{monitor.name}: resolved, {incident.reason}"
    why = f"; {suspect['column']} {suspect['value']!r} first appeared at {suspect['first_seen']}" if suspect else ""
    why += f" ({suspect['prompt']})" if suspect and suspect.get("prompt") else ""
    return f"{monitor.name}: {incident.reason}{why}"


def _mention(action: Action) -> dict[str, Any]:
    return {"id": action.id, "name": action.name, "kind": action.kind, "mode": action.mode, "state": action.state}


def notified(decision: Decision, at: datetime) -> Decision:
    """Remember that people are being told of an incident."""
    return replace(decision, incident=replace(decision.incident, notified_at=at))
