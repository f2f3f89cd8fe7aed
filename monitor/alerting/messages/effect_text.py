"""Texts about an effect: its target, how fast it was, and whether it helped."""

from __future__ import annotations

from datetime import timedelta

from monitor.alerting.messages.causes import describe_target
from monitor.config.sections import format_duration
from monitor.core.payload import ActionSummary, Verification

NAMES = {"rollback": "rollback", "retrain": "retraining"}
SECONDS_UP_TO = 300.0


def describe_effect_target(effect: ActionSummary) -> str:
    """Return the kind of an effect and its target, such as ``rollback to model_version 'big'``."""
    kind, target = str(effect.get("kind")), describe_target(effect.get("target"))
    return f"{NAMES.get(kind, kind)}{f' to {target}' if target else ''}"


def describe_failure(effect: ActionSummary, verification: Verification) -> str:
    """Return that an effect did not help, and what is still bad."""
    return f"the {describe_effect_target(effect)} did not help: {verification['reason']} after it"


def describe_reaction(effect: ActionSummary) -> str:
    """Return the time from the first bad record to the request; empty if it is unknown."""
    seconds = effect.get("reaction")
    return "" if seconds is None else f"{format_seconds(seconds)} after the first bad record"


def describe_traffic(verification: Verification) -> str:
    """Return the size of the measured traffic."""
    return f"{verification['records']:,} records in {format_seconds(verification['seconds'])}"


def format_seconds(seconds: float) -> str:
    """Format seconds, from five minutes on as a duration.

    Examples
    --------
    >>> format_seconds(83.6), format_seconds(1260)
    ('84 s', '21m')
    """
    if seconds < SECONDS_UP_TO:
        return f"{seconds:.0f} s"
    return format_duration(timedelta(minutes=round(seconds / 60)))


def write_effect_headline(monitor: str, effect: ActionSummary) -> str:
    """Return the headline about an effect: that it was sent or not, or how its verification ended."""
    what, verification = describe_effect_target(effect), effect.get("verification")
    if effect["state"] == "awaiting_approval":
        return f"{monitor}: the {what} was not sent: {effect.get('reason')}"
    if verification is None:
        return f"{monitor}: {', '.join(filter(None, [f'{what} sent', describe_reaction(effect)]))}"
    if verification["state"] == "verified":
        return f"{monitor}: the {what} helped, but the incident has other findings"
    if verification["state"] == "not_verified":
        return f"{monitor}: {describe_failure(effect, verification)}"
    return f"{monitor}: the {what} could not be verified: {verification['reason']}"
