"""What a scenario's incidents and actions are worth against its truth. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from benchmarks.causes.truth import BUCKET, LIVE, MINUTE, VERSIONS, Cause, Scenario
from monitor.core.action import MESSAGES, ActionRecord
from monitor.core.incident import NO_DATA, Incident
from monitor.core.payload import Suspect

PEOPLE = "team"
"""The receiver that people read."""
SENT = ("pending", "delivered")
WITHOUT_SUSPECT = ("latency", "source")
"""Kinds of causes for which no suspect at all is right: everybody is concerned, or nothing can be seen."""


@dataclass(frozen=True)
class Episode:
    """What came of a scenario: every incident, and every action in the order of time."""

    incidents: tuple[Incident, ...]
    actions: tuple[ActionRecord, ...]


@dataclass(frozen=True)
class Score:
    """What one scenario came to.

    Parameters
    ----------
    suspect, sighting, target
        Whether they are right; None where there is nothing to be right about.
    quiet
        Whether nobody was alerted; None where people must be.
    harmful
        Automatic rollbacks that were wrong.
    delays
        Minutes from each cause to the first message about it; None where there was none.
    """

    kind: str
    name: str
    suspect: bool | None
    sighting: bool | None
    target: bool | None
    quiet: bool | None
    harmful: int
    incidents: int
    causes: int
    messages: int
    delays: tuple[float | None, ...]
    problems: tuple[str, ...]


def score(scenario: Scenario, episode: Episode) -> Score:
    """Compare what came with what is true."""
    fired = [incident for incident in episode.incidents if incident.fired_at is not None]
    causes = scenario.causes
    messages = sum(action.kind in MESSAGES and action.name == PEOPLE for action in episode.actions)
    rollbacks = [action for action in episode.actions if action.kind == "rollback"]
    harmful = [action for action in rollbacks if is_harmful(action, causes)]
    first = {cause: first_incident(cause, fired, alone=len(causes) == 1) for cause in causes}
    suspect = all(leads_to_cause(one, causes) for one in fired) and None not in first.values() if causes else None
    sightings = [is_sighted(cause, fired) for cause in causes if cause.kind not in WITHOUT_SUSPECT]
    targets = [is_target_right(cause, rollbacks) for cause in causes if cause.target is not None]
    delays = tuple(None if first[cause] is None else minutes_since(cause, first[cause]) for cause in causes)
    problems = [describe(incident) for incident in fired if not leads_to_cause(incident, causes)]
    problems += [f"missed: {cause.column} {cause.value}" for cause in causes if first[cause] is None]
    problems += [f"harmful: {describe_rollback(action)}" for action in harmful]
    if targets and not all(targets):
        problems += ["no right target among: " + "; ".join(map(describe_rollback, rollbacks))]
    return Score(
        scenario.kind,
        scenario.name,
        suspect,
        all(sightings) if sightings else None,
        all(targets) if targets else None,
        None if causes else not fired,
        len(harmful),
        len(fired),
        len(causes),
        messages,
        delays,
        tuple(problems),
    )


def leading_suspects(incident: Incident) -> list[Suspect]:
    """Return what people are told leads: of the incident as it began, and of each further change."""
    changes = [change["suspected_change"] for change in incident.changes[1:]]
    return [suspect for suspect in (incident.suspected_change, *changes) if suspect is not None]


def names_cause(suspect: Suspect | None, cause: Cause) -> bool:
    """Say whether a suspect is the cause: by its column, and by its value where the cause has one."""
    if suspect is None:
        return cause.kind in WITHOUT_SUSPECT
    if cause.kind == "source":
        return suspect["kind"] in ("source", "outage", NO_DATA)
    if suspect["kind"] in VERSIONS and cause.kind not in VERSIONS:
        return False
    return suspect["column"] == cause.column and cause.value in (None, suspect["value"])


def leads_to_cause(incident: Incident, causes: Sequence[Cause]) -> bool:
    """Say whether all that an incident suspects is a cause, and there is something, where a suspect is wanted."""
    suspects: Sequence[Suspect | None] = leading_suspects(incident) or [None]
    if incident.rule == NO_DATA:
        return any(cause.kind == "source" for cause in causes)
    concerned = [cause for cause in causes if cause.kind != "source"]
    return all(any(names_cause(suspect, cause) for cause in concerned) for suspect in suspects)


def first_incident(cause: Cause, fired: Sequence[Incident], *, alone: bool) -> datetime | None:
    """Return when people first heard of a cause: of a single one by any incident, else by one that names it."""
    heard = [moment for incident in fired for moment in tellings(incident, None if alone else cause)]
    return min((moment for moment in heard if moment > moment_of(cause)), default=None)


def tellings(incident: Incident, cause: Cause | None) -> list[datetime]:
    """Return when people were told of an incident; with a cause only where it is named."""
    if incident.fired_at is None:
        return []
    if incident.rule == NO_DATA or cause is None:
        return [incident.fired_at]
    told = [incident.fired_at] if names_cause(incident.suspected_change, cause) else []
    later = [change for change in incident.changes[1:] if names_cause(change["suspected_change"], cause)]
    return told + [datetime.fromisoformat(change["at"]) for change in later]


def is_sighted(cause: Cause, fired: Sequence[Incident]) -> bool:
    """Say whether a suspect that is the cause was first seen within a bucket of its first record."""
    moments = [
        datetime.fromisoformat(suspect["first_seen"])
        for incident in fired
        for suspect in leading_suspects(incident)
        if names_cause(suspect, cause)
    ]
    return bool(moments) and all(abs(moment - moment_of(cause)) <= BUCKET for moment in moments)


def is_harmful(action: ActionRecord, causes: Sequence[Cause]) -> bool:
    """Say whether a rollback that nobody approved was sent that was wrong: of an innocent version, or to a bad one."""
    if action.mode != "auto" or action.state not in SENT:
        return False
    data = action.payload["data"]
    observed, target = data.get("observed_version") or {}, data.get("target") or {}
    guilty = {(cause.column, cause.value) for cause in causes if cause.target is not None}
    back_to = {(role, target.get(role)) for role in VERSIONS}
    return not any((role, value) in guilty for role, value in observed.items()) or bool(back_to & guilty)


def is_target_right(cause: Cause, rollbacks: Sequence[ActionRecord]) -> bool:
    """Say whether the last rollback of the guilty version goes back to the version that it replaced."""
    of_cause = [
        action
        for action in rollbacks
        if (action.payload["data"].get("observed_version") or {}).get(cause.column) == cause.value
        and action.state != "superseded"
    ]
    return bool(of_cause) and (of_cause[-1].payload["data"].get("target") or {}).get(cause.column) == cause.target


def moment_of(cause: Cause) -> datetime:
    return LIVE + cause.at * MINUTE


def minutes_since(cause: Cause, moment: datetime | None) -> float | None:
    return None if moment is None else (moment - moment_of(cause)) / MINUTE


def describe(incident: Incident) -> str:
    suspects = [f"{one['column']}={one['value']}" for one in leading_suspects(incident)] or ["nothing"]
    reason = incident.changes[0]["reason"] if incident.changes else incident.reason
    return f"{incident.rule} at {incident.fired_at:%H:%M} suspects {', '.join(suspects)}: {reason[:140]}"


def describe_rollback(action: ActionRecord) -> str:
    data = action.payload["data"]
    return f"{action.state} {data.get('observed_version')} to {data.get('target')} ({action.reason[:60]})"
