"""Decide the incidents of all rules of a monitor from the findings of a bucket."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from detectors.base import Finding
from monitor.alerting.grouping import Group, group_findings
from monitor.alerting.incidents import IncidentContext, decide_incident, is_known, is_news
from monitor.alerting.inhibition import inhibit
from monitor.alerting.new_cause import find_new_cause
from monitor.config.models import Monitor
from monitor.config.rules import rule_name
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
    muted: Collection[str] = (),
) -> list[Decision]:
    """Decide the incidents of every group of findings, and the open incidents without a measured finding.

    Parameters
    ----------
    changes
        All changes of the monitor, each with its earliest sighting.
    shifts
        By group, how the window differs from what was announced last of its firing incident.
    muted
        Keys of the findings that alert nobody.
    """
    findings = inhibit(findings, history, bucket.end - monitor.window)
    decisions: list[Decision | None] = []
    for group in [*group_findings(monitor, findings), *_without_findings(monitor, findings, history)]:
        context = IncidentContext(monitor, group.rules, group.name, bucket.end, changes, muted)
        decisions += _decide_group(context, group, history, (shifts or {}).get(group.name, ()))
    return [name_prompt(decision, history.prompts) for decision in decisions if decision is not None]


def _without_findings(monitor: Monitor, findings: Sequence[Finding], history: AlertHistory) -> list[Group]:
    """Return the groups that have an open incident of a rule and no finding."""
    names = {group.name for group in group_findings(monitor, findings)}
    rules = {rule_name(rule): rule for rule in monitor.rules}
    return [
        Group(name, [rules[rule] for rule in incident.rules if rule in rules], [])
        for name, incident in history.open.items()
        if name not in names and not rules.keys().isdisjoint(incident.rules)
    ]


def _decide_group(
    context: IncidentContext, group: Group, history: AlertHistory, shifted: Sequence[Finding]
) -> list[Decision | None]:
    """Decide the open incidents of a group, and open another one for the findings of a new cause.

    Older incidents are decided by the findings in their evidence; all other findings belong to the newest incident.
    """
    older = [incident for incident in history.older if incident.group == group.name]
    decisions = [decide_incident(context, [f for f in group.findings if not is_news(f, one)], one) for one in older]
    newest = history.open.get(group.name)
    own = [f for f in group.findings if all(is_news(f, one) for one in older) or is_known(f, newest)]
    apart = find_new_cause(context, newest, own, shifted)
    if newest is None or not apart:
        return [*decisions, decide_incident(context, own, newest, history.resolved.get(group.name), shifted)]
    rest = [finding for finding in own if finding not in apart or is_known(finding, newest)]
    return [*decisions, decide_incident(context, rest, newest), decide_incident(context, apart, None)]


def name_prompt(decision: Decision, prompts: Sequence[Prompt]) -> Decision:
    """Add author and commit to a suspected prompt version that is in the registry."""
    suspect = decision.incident.suspected_change
    if suspect is None or suspect["kind"] != "prompt_version" or "prompt" in suspect:
        return decision
    prompt = recognise(str(suspect["value"]), prompts)
    named: Suspect = {**suspect, "prompt": prompt.sentence() if prompt else None}
    return replace(decision, incident=replace(decision.incident, suspected_change=named))
