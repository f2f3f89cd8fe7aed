"""Decide the incidents of all rules of a monitor from the findings of a bucket."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from detectors.base import Finding
from monitor.alerting.group_decision import decide_group
from monitor.alerting.grouping import Group, group_findings
from monitor.alerting.incidents import IncidentContext
from monitor.alerting.inhibition import inhibit
from monitor.alerting.suspect_names import name_suspects
from monitor.config.models import Monitor
from monitor.config.rules import rule_name
from monitor.core.action import AlertHistory
from monitor.core.incident import Change, Decision
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
    groups = group_findings(monitor, findings)
    for group in [*groups, *_without_findings(monitor, groups, history)]:
        context = IncidentContext(monitor, group.rules, group.name, bucket.end, changes, muted)
        decisions += decide_group(context, group, history, (shifts or {}).get(group.name, ()))
    made = [decision for decision in decisions if decision is not None]
    return [name_suspects(decision, history.prompts, history.deployments) for decision in made]


def _without_findings(monitor: Monitor, groups: Sequence[Group], history: AlertHistory) -> list[Group]:
    """Return the groups that have an open incident of a rule and are not among those with findings."""
    names = {group.name for group in groups}
    rules = {rule_name(rule): rule for rule in monitor.rules}
    return [
        Group(name, [rules[rule] for rule in incident.rules if rule in rules], [])
        for name, incident in history.open.items()
        if name not in names and not rules.keys().isdisjoint(incident.rules)
    ]
