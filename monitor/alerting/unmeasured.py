"""Decide the incidents about checks that could not be measured for longer than their rule accepts. Pure.

They are about not knowing, never about the model: no effect is planned for them, and no breaker follows them.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from detectors.base import Finding, Status
from monitor.alerting.incidents import IDENTITY, describe_change, resolve
from monitor.config.models import Monitor, Rule
from monitor.config.rules import UNMEASURED, matches, rule_name
from monitor.config.sections import format_duration
from monitor.core.action import AlertHistory
from monitor.core.incident import Decision, Incident, IncidentState

MEASURED = (Status.OK, Status.DRIFTED)


def decide_unmeasured(
    monitor: Monitor, findings: Sequence[Finding], history: AlertHistory, at: datetime, *, has_all_rules: bool
) -> list[Decision]:
    """Decide one incident for each rule with an `inconclusive_limit`.

    A check of the rule is not measured in a bucket if all of its findings that the rule matches are inconclusive or
    failed. A bucket without such findings changes nothing.

    Parameters
    ----------
    has_all_rules
        Whether the monitor has all of its rules, so that the incidents of other rules end.
    """
    limited = {f"{UNMEASURED}{rule_name(rule)}": rule for rule in monitor.rules if rule.inconclusive_limit is not None}
    decisions = [
        _decide(monitor, rule, name, [one for one in findings if matches(rule, one)], history.open.get(name), at)
        for name, rule in limited.items()
    ]
    ended = [
        resolve(incident, "the rule has no `inconclusive_limit` any more", at)
        for name, incident in history.open.items()
        if has_all_rules and name.startswith(UNMEASURED) and name not in limited
    ]
    return [decision for decision in (*decisions, *ended) if decision is not None]


def _decide(
    monitor: Monitor, rule: Rule, name: str, findings: Sequence[Finding], incident: Incident | None, at: datetime
) -> Decision | None:
    measured = {finding.check for finding in findings if finding.status in MEASURED}
    blind = {finding.check: finding for finding in findings if finding.check not in measured}
    if blind:
        return _worsen(monitor, rule, incident or _open(monitor, rule, name, at), list(blind.values()), at)
    if incident is None:
        return None
    if not measured:
        return Decision(replace(incident, updated_at=at), None, "nothing was evaluated; the state is kept")
    clean = incident.clean + 1
    needed = rule.buckets(rule.resolve_for, monitor.bucket)
    if incident.state == "pending" or clean >= needed:
        return resolve(replace(incident, clean=clean), "it is measured again", at)
    return Decision(replace(incident, clean=clean, updated_at=at), None, f"measured for {clean} of {needed} buckets")


def _open(monitor: Monitor, rule: Rule, name: str, at: datetime) -> Incident:
    identity = str(uuid.uuid5(IDENTITY, f"{monitor.name}/{name}/{at.isoformat()}"))
    return Incident(identity, monitor.name, name, rule.severity, "pending", at, at, "", group=name)


def _worsen(monitor: Monitor, rule: Rule, incident: Incident, blind: Sequence[Finding], at: datetime) -> Decision:
    grown = replace(incident, bad=incident.bad + 1, clean=0, updated_at=at)
    if incident.state == "firing":
        return Decision(grown, None, "still not measured")
    checks = ", ".join(sorted(finding.check for finding in blind))
    reason = f"{checks} could not be measured for {format_duration(grown.bad * monitor.bucket)}: {blind[0].reason}"
    if grown.bad <= (rule.inconclusive_limit or 0):
        opened: IncidentState | None = "pending" if grown.bad == 1 else None
        return Decision(replace(grown, reason=reason), opened, reason)
    changes = (describe_change(at, blind, reason, None),)
    return Decision(replace(grown, state="firing", fired_at=at, reason=reason, changes=changes), "firing", reason)
