"""Decide the incidents of a group of findings: those that are open, and one for each further cause. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from detectors.base import Finding
from monitor.alerting.causes import release_columns, share_findings
from monitor.alerting.grouping import Group
from monitor.alerting.incidents import IncidentContext, decide_incident
from monitor.alerting.new_cause import find_new_cause, move_findings
from monitor.alerting.shared_columns import keep_own_rows
from monitor.core.action import AlertHistory
from monitor.core.incident import Decision


def decide_group(
    context: IncidentContext, group: Group, history: AlertHistory, shifted: Sequence[Finding]
) -> list[Decision | None]:
    """Decide the open incidents of a group, and open others for the findings of further causes."""
    newest, older = history.open.get(group.name), [one for one in history.older if one.group == group.name]
    standing = [*([newest] if newest else []), *reversed(older)]
    own_rows = partial(keep_own_rows, others=standing, changes=context.changes)
    incidents = [release_columns(one, own_rows(one, group.findings)) for one in standing]
    shares = share_findings(group.findings, incidents)
    if incidents and (apart := find_new_cause(context, incidents[0], shares[0], shifted)):
        shares, shifted = move_findings(context, apart, incidents, shares), ()
    if not incidents:
        decisions = [decide_incident(context, shares[0], None, history.resolved.get(group.name))]
        return [*decisions, *(_open_further(context, findings) for findings in shares[1:])]
    first, *others = [own_rows(one, findings) for one, findings in zip(incidents, shares, strict=False)]
    decisions = [decide_incident(context, own, one) for own, one in zip(others, incidents[1:], strict=True)]
    decisions.append(decide_incident(context, first, incidents[0], moved=shifted))
    return [*decisions, *(_open_further(context, findings) for findings in shares[len(incidents) :])]


def _open_further(context: IncidentContext, findings: Sequence[Finding]) -> Decision | None:
    """Open an incident of a further cause."""
    return decide_incident(replace(context, part=min(finding.key for finding in findings)), findings, None)
