"""Which findings have a cause of their own while an incident is firing: they become another incident. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from detectors import Finding
from detectors.joint import JOINT
from monitor.alerting.incidents import IncidentContext, find_version_findings, is_news
from monitor.core.incident import Incident


def find_new_cause(
    context: IncidentContext, incident: Incident | None, findings: Sequence[Finding], moved: Sequence[Finding]
) -> list[Finding]:
    """Return the findings that an open incident does not explain.

    That is what a newer version brought, and what rose independently of the incident.

    Parameters
    ----------
    moved
        How the window differs from the first one after the incident was announced last.
    """
    brought = find_version_findings(context.monitor, incident, findings, context.at, context.changes, moved)
    return brought or find_independent(context, incident, findings, moved)


def find_independent(
    context: IncidentContext, incident: Incident | None, findings: Sequence[Finding], moved: Sequence[Finding]
) -> list[Finding]:
    """Return what rose independently of a firing incident.

    Such a finding is new, its column has moved since the first window after the announcement, and nothing that the
    incident knows has moved with it. A column that a weak effect takes over its threshold late has not moved since; one
    that the same cause makes worse moves together with the others.
    """
    if incident is None or incident.state != "firing" or incident.announced_at is None:
        return []
    if context.at - incident.announced_at <= context.monitor.window:
        return []
    away = {(finding.column, finding.segment) for finding in moved if finding.is_adverse and not finding.detail["back"]}
    known = {(item["column"], item["segment"]) for item in incident.evidence.values()}
    if away & known:
        return []
    return [
        finding
        for finding in findings
        if finding.is_adverse
        and finding.column != JOINT
        and (finding.column, finding.segment) in away
        and is_news(finding, incident)
    ]
