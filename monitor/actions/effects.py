"""Decide about effects: when one is due, whether it may be sent, and which version to go back to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from detectors.split_attribution import ENOUGH
from monitor.actions.restraints import FREEZE, NONE, Restraints
from monitor.alerting.messages.causes import describe_version
from monitor.alerting.suspects import affects_all, explains, measure_share
from monitor.config.receivers import EffectSettings
from monitor.config.rules import UNMEASURED
from monitor.core.action import DESTRUCTIVE, NOT_SENT, UNSENT, ActionState, PastAction, Version
from monitor.core.incident import NO_DATA, VERSIONS, Decision, Incident
from monitor.core.payload import IncidentFinding

NOT_OF_MODEL = "no finding is about the model: missing or bad data never triggers a rollback or retraining"
NOT_WORSE = "no finding is a deterioration: a neutral change never triggers a rollback or retraining"
UNCLEAR = "which rows are affected is not clear yet: it is sent when it is, unless a person approves before"
SEVERAL_VERSIONS = "several new versions explain the change equally well, so a person must approve"
NO_NEW_VERSION = "the suspect is not a new version, so a person must approve"
ONLY_INPUTS = (
    "only inputs of the model changed, in all records alike, so a person must approve. If one of these columns is an "
    "output of the model, list it under `outputs:`"
)
DOUBTS = (UNCLEAR, SEVERAL_VERSIONS, NO_NEW_VERSION, ONLY_INPUTS)
"""Why a rollback of mode auto waits for approval."""
LACKS_EVIDENCE = (
    NOT_OF_MODEL,
    NOT_WORSE,
    # as stored by earlier versions
    "no finding speaks of the model: not seeing, or bad data, never rolls back a model",
    "no finding is a change for the worse: what is neither good nor bad never rolls back a model",
)
REPEATED = "the same action did not help in this incident, so it is not repeated"
CLEAR = 0.95
"""A version whose rows explain at least this part of the change may be rolled back without approval."""
NEVER_TRAFFIC = 50
LONGEST_PAUSE = timedelta(hours=1)
"""A version without records for longer was not in service."""


def effect_due(
    decision: Decision,
    name: str,
    effect: EffectSettings,
    rows: Sequence[PastAction],
    now: datetime,
    *,
    fresh: bool,
    frozen: bool,
) -> bool:
    """Return whether an effect is planned now: when its rule fires, and again if it was missed or is outdated.

    It was missed if the bucket was too old, or if it could not be sent before ``not_after``, or held by a freeze window
    that has ended. While the incident continues, the first bucket within ``not_after`` plans it again. What could not
    be measured has no effects.

    ``frozen`` is whether a freeze window holds it now.
    """
    incident = decision.incident
    if incident.state != "firing" or incident.rule.startswith(UNMEASURED):
        return False
    if decision.transition == "firing":
        return True
    last = newest_effect(rows, name)
    in_time = now <= incident.updated_at + effect.not_after
    if last is not None and is_frozen(last):
        return fresh and in_time and not frozen
    return fresh and in_time and (last is None or last.missed or is_outdated(last, incident))


def is_frozen(effect: PastAction) -> bool:
    """Return whether an effect was held by a freeze window."""
    return effect.state == "held" and effect.reason.startswith(FREEZE)


def newest_effect(rows: Sequence[PastAction], name: str) -> PastAction | None:
    """Return the last effect of a receiver among the actions of an incident."""
    return next((row for row in reversed(rows) if row.name == name and row.kind in DESTRUCTIVE), None)


def is_outdated(effect: PastAction, incident: Incident) -> bool:
    """Return whether an unsent effect concerns another version than the current suspect, or lacked evidence before."""
    if effect.state not in UNSENT or effect.refused:
        return False
    suspected = suspect_version(incident)
    if suspected is not None and effect.observed != suspected:
        return True
    if effect.state == "awaiting_approval":
        return effect.reason in DOUBTS and find_doubt(incident) is None
    return effect.state == "held" and effect.reason in LACKS_EVIDENCE and lacking_evidence(incident) is None


def decide_effect(
    effect: EffectSettings,
    name: str,
    incident: Incident,
    past: Sequence[PastAction],
    now: datetime,
    obstacle: str | None = None,
    restraints: Restraints = NONE,
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
    if effect.mode != "notify" and restraints.freeze:
        return "held", restraints.freeze
    replaced = [item for item in past if item.incident == incident.id and item.state in UNSENT]
    sent = [item for item in past if item.name == name and item.state not in NOT_SENT and item not in replaced]
    alike = [item for item in sent if item.observed == guilty_version(incident)]
    if any(now - item.created_at < effect.cooldown for item in alike):
        return "held", "cooldown: the same action was planned recently"
    if sum(now - item.created_at < timedelta(days=1) for item in sent) >= effect.max_per_day:
        return "held", f"cap: at most {effect.max_per_day} a day"
    if effect.mode == "notify":
        return "told", "mode notify: the effect is announced and not sent"
    if effect.mode == "auto" and restraints.storm:
        return "awaiting_approval", restraints.storm
    if effect.mode == "auto" and effect.kind == "rollback" and (doubt := find_doubt(incident)):
        return "awaiting_approval", doubt
    if effect.mode == "approve":
        return "awaiting_approval", "mode approve: `driftd actions approve` sends it"
    return "pending", "mode auto"


def find_repetition(
    rows: Sequence[PastAction], name: str, kind: str, target: Mapping[str, object] | None
) -> str | None:
    """Return why an effect is not repeated in an incident: the same action did not help; None if it may be."""
    goal = describe_version(target)
    for row in rows:
        is_same = (row.name, row.kind, describe_version(row.target)) == (name, kind, goal)
        if is_same and row.verification is not None and row.verification["state"] == "not_verified":
            return REPEATED
    return None


def obstacle_to_rollback(incident: Incident, versions: Sequence[Version], blamed: Sequence[str]) -> str | None:
    """Return why a rollback has no target, None if it has one or if no versions are logged."""
    if last_known_good(incident, versions, blamed) is not None:
        return None
    if last_known_good(incident, versions, blamed, drifted=()) is not None:
        return "every other version has drifted as well: a rollback would not help"
    if versions and suspect_version(incident) is None:
        return "no version is suspected, so a rollback has no target"
    return None


def lacking_evidence(incident: Incident) -> str | None:
    """Return why the evidence of an incident does not suffice for a destructive effect, None if it does."""
    measured = [item for item in incident.evidence.values() if item["about"] != "pipe"]
    if incident.rule == NO_DATA or not measured:
        return NOT_OF_MODEL
    return None if any(_is_worse(item) for item in measured) else NOT_WORSE


def find_doubt(incident: Incident) -> str | None:
    """Return why a rollback is not sent without an approval, None if it may be.

    The suspect must be one new version, and nothing else. If deteriorations are about columns, their rows must show
    that it is affected: its time alone does not suffice. An output of the model must have got worse, or an input only
    in the rows of a version.
    """
    evidence = {key: item for key, item in incident.evidence.items() if item["about"] != "pipe" and _is_worse(item)}
    worse = list(evidence.values())
    suspect = incident.suspects[0] if incident.suspects else incident.suspected_change
    if suspect is not None and suspect["kind"] not in VERSIONS:
        return NO_NEW_VERSION
    if any(item["column"] for item in worse) and (suspect is None or measure_share(suspect, evidence) < CLEAR):
        return UNCLEAR
    if sum(one["kind"] in VERSIONS and one.get("share", 0) >= ENOUGH for one in incident.suspects) > 1:
        return SEVERAL_VERSIONS
    return ONLY_INPUTS if all(item["about"] == "inputs" and affects_all(item) for item in worse) else None


def _is_worse(item: IncidentFinding) -> bool:
    return item.get("direction", "worse") == "worse"


def last_known_good(
    incident: Incident, versions: Sequence[Version], blamed: Sequence[str], drifted: Collection[str] | None = None
) -> dict[str, object] | None:
    """Return the version to go back to: with enough traffic, no incident of its own, and no drift in this one.

    Of the versions that were in service when the bad one appeared, it is the one with most traffic, or the one that
    replaced it since; if none was, the newest. None if the incident has no suspected version to roll back from.
    ``drifted`` are the versions that drifted, by default those whose segment is in the evidence.
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
    appeared = find_appearance(incident, versions)
    serving = [version for version in good if version.last_seen >= appeared - LONGEST_PAUSE]
    if serving:
        largest = max(serving, key=_traffic)
        best = max([largest, *(one for one in serving if _replaces(one, largest))], key=lambda one: one.last_seen)
    else:
        best = max(good, key=lambda one: (one.first_seen, one.last_seen))
    return {role: best.value, "last_seen": best.last_seen.isoformat(), "rows": best.rows}


def find_appearance(incident: Incident, versions: Sequence[Version]) -> datetime:
    """Return when the bad version of an incident was first seen; the start of the incident if it was not logged."""
    observed = guilty_version(incident)
    return next((one.first_seen for one in versions if (one.role, one.value) == observed), incident.opened_at)


def _traffic(version: Version) -> tuple[float, datetime]:
    """Return the records per second of a version while it was in service, and when it was first seen."""
    seconds = max(1.0, (version.last_seen - version.first_seen).total_seconds())
    return version.rows / seconds, version.first_seen


def _replaces(new: Version, old: Version) -> bool:
    """Return whether a version took over from another one: similar traffic, for longer after its end than beside it."""
    similar = 2 * _traffic(new)[0] >= _traffic(old)[0]
    return similar and new.last_seen - old.last_seen > old.last_seen - new.first_seen


def versions_in_findings(incident: Incident, role: str) -> set[str]:
    """Return the versions that are the segment of a finding of the incident."""
    about_model = [item for item in incident.evidence.values() if item["about"] != "pipe"]
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
        if role in VERSIONS and item["about"] != "pipe" and explains(str(item["segment"]), incident.evidence):
            return role, value
    return None
