"""Decide whether the effects of incidents helped, from the traffic after them, and plan the messages about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.actions.decision_context import DecisionContext
from monitor.actions.effect_messages import EffectNotice, make_effect_message
from monitor.actions.message_data import describe_incident, link_incident, summarize_action
from monitor.actions.plan_context import Receivers
from monitor.alerting.effect_outcome import EffectOutcome
from monitor.alerting.messages.effect_text import describe_failure
from monitor.config.models import Monitor
from monitor.core.action import MESSAGES, Action, AlertHistory, PastAction
from monitor.core.incident import Decision, Incident
from monitor.core.payload import Verification, VerificationState


@dataclass(frozen=True)
class Conclusion:
    """The result of the verification of the effects of an incident.

    Parameters
    ----------
    effects
        The effects that it holds for, the last one at the end.
    """

    effects: Sequence[PastAction]
    verification: Verification


def conclude_verifications(
    outcomes: Mapping[str, EffectOutcome], decisions: Iterable[Decision], history: AlertHistory
) -> dict[str, Conclusion]:
    """Return by incident the verifications that end with a bucket.

    An effect is verified once the incident is resolved on the traffic after it. If that does not happen within
    `verify_within`, the traffic up to then decides.
    """
    incidents = {incident.id: incident for incident in history.acted}
    incidents |= {decision.incident.id: decision.incident for decision in decisions}
    concluded = {}
    for incident, outcome in outcomes.items():
        state = _conclude(outcome, incidents.get(incident))
        sent = [row for row in history.past if row.incident == incident and row.is_verifiable]
        effects = [row for row in sent if row.verification is None]
        if state is not None and effects:
            verification: Verification = {
                "state": state,
                "at": outcome.end.isoformat(),
                "records": outcome.records,
                "seconds": (outcome.end - outcome.start).total_seconds(),
                "reason": outcome.reason,
            }
            ordered = sorted(effects, key=lambda row: (row.sent_at, row.sequence))
            concluded[incident] = Conclusion(ordered, verification)
    return concluded


def _conclude(outcome: EffectOutcome, incident: Incident | None) -> VerificationState | None:
    effect = outcome.effect
    if outcome.status == "clean" and incident is not None and incident.state == "resolved":
        return "verified"
    if outcome.status == "clean" and incident is not None and incident.clean:
        return None  # it is about to be resolved
    if effect.finished_at is None or effect.verify_within is None:
        return None
    if outcome.end < effect.finished_at + effect.verify_within:
        return None
    results: Mapping[str, VerificationState] = {"clean": "verified", "bad": "not_verified", "unmeasured": "unknown"}
    return results[outcome.status]


def find_failure(rows: Sequence[PastAction]) -> str | None:
    """Return that the newest effect of an incident did not help, as a sentence; None if it did or may have."""
    verified = [(row, row.verification) for row in rows if row.is_verifiable and row.verification is not None]
    if not verified or verified[-1][1]["state"] != "not_verified":
        return None
    return describe_failure(summarize_action(verified[-1][0]), verified[-1][1])


def apply_conclusions(past: Sequence[PastAction], concluded: Mapping[str, Conclusion]) -> list[PastAction]:
    """Return earlier actions with the verifications that have ended."""
    ended = {row.id: one.verification for one in concluded.values() for row in one.effects}
    return [replace(row, verification=ended[row.id]) if row.id in ended else row for row in past]


def plan_conclusion(
    monitor: Monitor, incident: Incident, conclusion: Conclusion, receivers: Receivers, context: DecisionContext
) -> list[Action]:
    """Return the messages about a verification, to receivers that have a message about the incident.

    There is none if the incident is resolved: the message about that has the verification.
    """
    if incident.state != "firing":
        return []
    effect = conclusion.effects[-1]
    common = describe_incident(monitor, incident, context.bucket, None)
    notice = EffectNotice(
        incident.monitor,
        incident.severity,
        common["incident"],
        {**summarize_action(effect), "verification": conclusion.verification},
        context.now,
        context.sequence,
        effect.sequence,
    )
    involved = {row.name for row in context.list_actions(incident) if row.kind in MESSAGES}
    return [
        make_effect_message(replace(notice, link=link_incident(receivers[name], incident.id)), name)
        for name in sorted(involved)
        if name in receivers
    ]
