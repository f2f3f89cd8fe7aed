"""How far each rule of an incident is: it fires and is resolved by its own `for` and `resolve_for`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from monitor.alerting.grouping import GroupFindings
from monitor.config.models import BucketQuorum, Rule
from monitor.config.rules import SEVERITIES, rule_name
from monitor.core.incident import Incident
from monitor.core.payload import RuleProgress

NEW: RuleProgress = {"bad": 0, "clean": 0, "firing": False, "fired": False}


def advance_rules(
    rules: Sequence[Rule], classified: GroupFindings, before: Mapping[str, RuleProgress], bucket: timedelta
) -> dict[str, RuleProgress]:
    """Return how far each rule is after one bucket more; rules that are not evaluated now stay as they are."""
    after = dict(before)
    for rule in rules:
        name = rule_name(rule)
        progress = _advance(rule, classified, before.get(name), bucket)
        if progress is None:
            after.pop(name, None)
        else:
            after[name] = progress
    return after


def _advance(
    rule: Rule, classified: GroupFindings, before: RuleProgress | None, bucket: timedelta
) -> RuleProgress | None:
    """Return how far a rule is; None where it is not bad and never fired."""
    name, progress = rule_name(rule), before or NEW
    is_bad = bool(classified.bad[name])
    if not is_bad and (before is None or name not in classified.measured):
        return before
    counted = _count(rule, progress, is_bad=is_bad)
    if is_bad:
        firing = progress["firing"] or counted["bad"] >= rule.buckets(rule.for_, bucket)
        return {**counted, "clean": 0, "firing": firing, "fired": progress["fired"] or firing}
    clean = progress["clean"] + 1
    if progress["firing"] and clean < rule.buckets(rule.resolve_for, bucket):
        return {**counted, "clean": clean}
    if isinstance(rule.for_, BucketQuorum) and counted["bad"] and not progress["firing"]:
        return {**counted, "clean": clean}
    return {"bad": 0, "clean": clean, "firing": False, "fired": True} if progress["fired"] else None


def _count(rule: Rule, progress: RuleProgress, *, is_bad: bool) -> RuleProgress:
    """Count a bucket: consecutive bad ones, or those among the last ones."""
    if not isinstance(rule.for_, BucketQuorum):
        return {**progress, "bad": progress["bad"] + is_bad}
    recent = [*progress.get("recent", ()), is_bad][-rule.for_.of :]
    return {**progress, "bad": sum(recent), "recent": recent}


def describe_bad(rule: Rule, progress: RuleProgress, bucket: timedelta) -> str:
    """Return for how long a rule is bad, and before it fires, how long it must be."""
    needed = rule.buckets(rule.for_, bucket)
    if isinstance(rule.for_, BucketQuorum):
        fires = "" if progress["firing"] else f", fires at {needed}"
        return f"bad in {progress['bad']} of the last {rule.for_.of} buckets{fires}"
    if progress["firing"]:
        return f"bad for {progress['bad']} bucket{'s' * (progress['bad'] > 1)}"
    return f"bad for {progress['bad']} of {needed} buckets"


def choose_lead(
    rules: Sequence[Rule], progress: Mapping[str, RuleProgress], incident: Incident | None
) -> tuple[str, str]:
    """Return name and severity of the rule that an incident is listed under.

    That is the most severe rule that has fired, or that is bad where none has; while an incident fires, its severity
    never falls.
    """
    candidates = [rule for rule in rules if rule_name(rule) in progress]
    fired = [rule for rule in candidates if progress[rule_name(rule)]["fired"]]
    leads: list[tuple[str, str]] = [(rule_name(rule), rule.severity) for rule in fired or candidates]
    if incident is not None and incident.state == "firing":
        leads.insert(0, (incident.rule, incident.severity))
    return min(leads, key=lambda lead: SEVERITIES.index(lead[1]))


def is_over(progress: Mapping[str, RuleProgress]) -> bool:
    """Say whether no rule is firing, or on its way to."""
    return not any(each["firing"] or each["bad"] for each in progress.values())
