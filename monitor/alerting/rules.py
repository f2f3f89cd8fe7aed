"""Every rule of a monitor over the findings of a bucket. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from detectors.base import Finding
from monitor.alerting.incidents import RuleContext, brought_by_version, decide_incident, is_known, is_news
from monitor.config.models import Monitor, Rule
from monitor.config.rules import matches, rule_name
from monitor.core.action import AlertHistory
from monitor.core.incident import Change, Decision
from monitor.core.payload import Suspect
from monitor.core.prompts import Prompt, recognise
from monitor.core.schedule import Bucket


def decide_rules(
    monitor: Monitor,
    findings: Sequence[Finding],
    changes: Sequence[Change],
    history: AlertHistory,
    bucket: Bucket,
    shifts: Mapping[str, Sequence[Finding]] | None = None,
) -> list[Decision]:
    """Decide every rule.

    Parameters
    ----------
    changes
        All that are known, each as it was first seen.
    shifts
        By rule, how the window differs from what people were told last of its firing incident.
    """
    decisions: list[Decision | None] = []
    for rule in monitor.rules:
        shifted = (shifts or {}).get(rule_name(rule), ())
        decisions += _decide_rule(monitor, rule, findings, changes, history, bucket, shifted)
    return [name_prompt(decision, history.prompts) for decision in decisions if decision is not None]


def _decide_rule(
    monitor: Monitor,
    rule: Rule,
    findings: Sequence[Finding],
    changes: Sequence[Change],
    history: AlertHistory,
    bucket: Bucket,
    shifted: Sequence[Finding],
) -> list[Decision | None]:
    """Decide the open incidents of a rule, each by its own findings, and open one for what a new version brought.

    Older incidents are decided by what they know; everything else belongs to the newest one.
    """
    name, context = rule_name(rule), RuleContext(monitor, rule, bucket.end, changes)
    watched = [finding for finding in findings if matches(rule, finding)]
    older = [incident for incident in history.older if incident.rule == name]
    decisions = [decide_incident(context, [f for f in watched if not is_news(f, one)], one) for one in older]
    newest = history.open.get(name)
    own = [f for f in watched if all(is_news(f, one) for one in older) or is_known(f, newest)]
    brought = brought_by_version(monitor, newest, own, bucket.end, changes, shifted)
    if newest is None or not brought:
        return [*decisions, decide_incident(context, own, newest, history.resolved.get(name), shifted)]
    rest = [finding for finding in own if finding not in brought or is_known(finding, newest)]
    return [
        *decisions,
        decide_incident(context, rest, newest),
        decide_incident(context, brought, None),
    ]


def name_prompt(decision: Decision, prompts: Sequence[Prompt]) -> Decision:
    """Say whose prompt a suspected version is, where the registry knows it."""
    suspect = decision.incident.suspected_change
    if suspect is None or suspect["kind"] != "prompt_version" or "prompt" in suspect:
        return decision
    prompt = recognise(str(suspect["value"]), prompts)
    named: Suspect = {**suspect, "prompt": prompt.sentence() if prompt else None}
    return replace(decision, incident=replace(decision.incident, suspected_change=named))
