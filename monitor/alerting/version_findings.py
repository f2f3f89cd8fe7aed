"""Which findings a version caused that is newer than a firing incident. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from detectors.base import Finding
from detectors.joint import JOINT
from monitor.alerting.incidents import merge_evidence
from monitor.alerting.shared_columns import attribute_columns, departs_by, departs_farther, explains_any, without_rows
from monitor.alerting.suspects import choose_suspect
from monitor.config.models import Monitor
from monitor.core.incident import VERSIONS, Change, Incident
from monitor.core.payload import Suspect


def find_version_findings(
    monitor: Monitor,
    incident: Incident | None,
    findings: Sequence[Finding],
    at: datetime,
    changes: Sequence[Change],
    moved: Sequence[Finding] = (),
) -> list[Finding]:
    """Return the findings that a version caused that is newer than the firing incident. They form another incident.

    These are findings that are new, or farther from the baseline than at the last announcement, if a version that
    appeared after the incident fired is the suspect and at least one finding is a deterioration of the model.
    """
    if incident is None or incident.state != "firing" or incident.fired_at is None:
        return []
    fired_at = incident.fired_at
    arrived = {c.key for c in changes if c.kind in VERSIONS and fired_at < c.first_seen <= at}
    if not arrived:
        return []
    before = {(item["check"], item["column"]) for item in incident.evidence.values()}
    away = {finding.key for finding in moved if finding.is_adverse and not finding.detail["back"]}
    adverse = [finding for finding in findings if finding.is_adverse and finding.column != JOINT]
    rows, columns = attribute_columns(adverse), {column for _, column in before}
    is_whole = at - fired_at >= monitor.window  # what the incident has is that of a window after its cause

    def is_brought(finding: Finding) -> bool:
        column, is_known = rows.get(finding.column), finding.column in columns
        if column is not None and not departs_by(arrived, column, is_known=is_known):
            return False
        if finding.key in away or (finding.check, finding.column) not in before:
            return not is_known or column is None or is_whole or departs_farther(arrived, column)
        if finding.segment not in arrived:
            return False
        return departs_farther(arrived, column) or ((column is None or is_whole) and _is_farther(finding, incident))

    brought = [
        without_rows(f) if f.column in columns and not explains_any(arrived, rows.get(f.column)) else f
        for f in adverse
        if is_brought(f)
    ]
    if not any(finding.about != "pipe" and finding.direction == "worse" for finding in brought):
        return []
    suspect = find_suspect(monitor, brought, changes, at)
    return brought if suspect and f"{suspect['column']}={suspect['value']}" in arrived else []


def find_suspect(
    monitor: Monitor, findings: Sequence[Finding], changes: Sequence[Change], at: datetime
) -> Suspect | None:
    """Return the suspect of some findings among the changes up to a time."""
    earlier = [change for change in changes if change.first_seen <= at]
    return choose_suspect(earlier, at - monitor.window - monitor.bucket, merge_evidence({}, findings))


def _is_farther(finding: Finding, incident: Incident) -> bool:
    """Return whether a version exceeds the worst values of the other versions of an incident by one threshold."""
    if not finding.threshold:
        return False
    role = str(finding.segment).partition("=")[0]
    alike = [
        item
        for item in incident.evidence.values()
        if (item["check"], item["column"], item["method"]) == (finding.check, finding.column, finding.method)
        and item["segment"] != finding.segment
    ]
    others = [item for item in alike if str(item["segment"]).startswith(f"{role}=")] or alike
    return bool(others) and finding.excess >= 1 + max(float(item["worst"]) for item in others) / finding.threshold
