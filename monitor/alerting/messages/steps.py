"""Sentences about effects: what was done, what waits, and what is not done and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.alerting.messages.causes import describe_target
from monitor.alerting.messages.effect_text import describe_reaction, describe_traffic
from monitor.alerting.messages.message import Step
from monitor.alerting.messages.times import Times
from monitor.core.payload import ActionSummary

NAMES: Mapping[str, str] = {"rollback": "Rollback", "retrain": "Retraining"}
MOST_STEPS = 20
WAITING = ("pending", "awaiting_approval")
STATES: Mapping[str, str] = {
    "pending": "is being sent",
    "failed": "could not be sent",
    "rejected": "was rejected",
    "told": "is announced only, not sent (mode notify)",
    "dry_run": "was a dry run: nothing was sent",
    "superseded": "was replaced",
}
RESULTS: Mapping[str, str] = {
    "verified": "it helped",
    "not_verified": "it did not help: {reason} after it",
    "unknown": "it could not be verified: {reason}",
}
ORDER = ("awaiting_approval", "pending", "delivered", "failed", "told", "dry_run", "held", "expired", "rejected")
"""The most important state first."""


def is_waiting(action: ActionSummary) -> bool:
    """Return whether an action is pending or awaits approval."""
    return action.get("state") in WAITING


def list_steps(actions: Sequence[ActionSummary], times: Times) -> list[Step]:
    """Return a sentence for each effect, the most important first."""
    known = [action for action in actions[:MOST_STEPS] if action.get("state") != "superseded"]
    known.sort(key=lambda one: ORDER.index(one["state"]) if one.get("state") in ORDER else len(ORDER))
    return [describe_effect(action, times) for action in known]


def describe_effect(action: ActionSummary, times: Times) -> Step:
    """Return what becomes of an effect, and the command that approves it."""
    state, what = str(action.get("state")), name_effect(action)
    if state == "awaiting_approval" and times.is_past(action.get("not_after")):
        return Step(f"{what} was not approved in time.")
    if state == "awaiting_approval":
        why = f": {action['reason']}" if action.get("reason") else ""
        text = f"{what} waits for approval{_until(action, times)}{why}"
        return Step(text, f"driftd actions approve {action.get('id')}")
    if state == "delivered":
        verification = action.get("verification")
        result = f"; {RESULTS[verification['state']].format(**verification)}" if verification else ""
        return Step(f"{what} was sent{_at(action, times)}{result}.")
    if state in ("held", "expired"):
        return Step(f"No {what[:1].lower()}{what[1:]}: {action.get('reason') or 'it is too late'}.")
    dry = " (dry run: nothing is changed)" if action.get("dry_run") and state == "pending" else ""
    return Step(f"{what} {STATES.get(state, state.replace('_', ' '))}{dry}.")


def name_effect(action: ActionSummary) -> str:
    """Return the kind of an effect, its target and its receiver."""
    kind, target = str(action.get("kind")), describe_target(action.get("target"))
    return f"{NAMES.get(kind, kind)}{f' to {target}' if target else ''} ({action.get('name')})"


def describe_cure(actions: Sequence[ActionSummary], times: Times) -> Step:
    """Return after which effect an incident was resolved, or that nothing was done."""
    done = [action for action in actions if action.get("state") == "delivered"]
    if not done:
        return Step("It recovered without an action of driftd.")
    what, verification = name_effect(done[-1]), done[-1].get("verification")
    state = verification["state"] if verification else "unknown"
    sent = ", ".join(filter(None, [f"sent{_at(done[-1], times)}", describe_reaction(done[-1])]))
    effect = f"the {what[:1].lower()}{what[1:]}, {sent}"
    if state == "not_verified":
        return Step(f"It recovered without an action of driftd: {effect}, did not help.")
    if verification is None or state != "verified":
        return Step(f"It recovered after {effect}; whether that was the reason is not verified.")
    return Step(f"It recovered after {effect}; verified on {describe_traffic(verification)}.")


def _at(action: ActionSummary, times: Times) -> str:
    return f" at {times.short(action['at'])}" if action.get("at") else ""


def _until(action: ActionSummary, times: Times) -> str:
    not_after = action.get("not_after")
    return f" until {times.short(not_after)} ({times.until(not_after)} left)" if not_after else ""
