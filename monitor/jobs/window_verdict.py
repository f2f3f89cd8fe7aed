"""Verdict on the findings of one window, and the findings as plain data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectors import PERFORMANCE
from detectors.base import Finding, Status
from detectors.performance.measured import ESTIMATED
from monitor.alerting.consequence import most_harmful
from monitor.alerting.incidents import find_explanation, merge_evidence
from monitor.config.models import BASELINE_RULE, Monitor
from monitor.config.rules import matches


def verdict(monitor: Monitor, findings: Sequence[Finding], *, firing: bool) -> tuple[str, str]:
    """Return the status of the findings and its reason."""
    if firing:
        watched = findings_under_rules(monitor, findings)
        worst = most_harmful([f for f in watched if f.check != BASELINE_RULE] or watched)
        why = find_explanation(watched, merge_evidence({}, watched))
        return "firing", f"{len(watched)} of {len(findings)} checks drifted; worst: {worst.reason}{why}"
    of_columns = [f for f in findings if f.column is not None] or list(findings)
    measured = [f for f in of_columns if f.status in (Status.OK, Status.DRIFTED)]
    if not measured:
        return "inconclusive", of_columns[0].reason if of_columns else "no check is configured"
    if (unlabelled := _without_labels(monitor, findings)) is not None:
        return "inconclusive", f"the performance could not be measured: {unlabelled.reason}"
    unsure = len(findings) - sum(f.status in (Status.OK, Status.DRIFTED) for f in findings)
    return "ok", f"{len(measured)} checks measured" + (f", {unsure} could not be" if unsure else "")


def _without_labels(monitor: Monitor, findings: Sequence[Finding]) -> Finding | None:
    """Return a finding without labels, if no metric of a `performance` check could be measured with labels.

    An estimate does not replace the labels that ``labels_after`` announces: it does not detect that the correct answer
    to the same input has changed.
    """
    performance = monitor.performance
    if performance is None:
        return None
    measured = [f for f in findings if f.method in PERFORMANCE and not f.method.startswith(ESTIMATED)]
    if any(f.status in (Status.OK, Status.DRIFTED) for f in measured):
        return None
    estimated = any(f.status in (Status.OK, Status.DRIFTED) for f in findings if f.method.startswith(ESTIMATED))
    return measured[0] if measured and (performance.labels_after or not estimated) else None


def findings_under_rules(monitor: Monitor, findings: Sequence[Finding]) -> list[Finding]:
    """Return the drifted findings that a rule matches, without improvements."""
    return [f for f in findings if f.is_adverse and any(matches(rule, f) for rule in monitor.rules)]


def rank(findings: Sequence[Finding]) -> list[Finding]:
    """Sort findings: drifted first, in order of excess."""
    return sorted(findings, key=lambda f: (f.status is not Status.DRIFTED, -min(f.excess, 1e9), f.key))


def as_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as plain data."""
    return {
        "check": finding.check,
        "column": finding.column,
        "method": finding.method,
        "segment": finding.segment,
        "statistic": finding.statistic,
        "threshold": finding.threshold,
        "status": finding.status.value,
        "direction": finding.direction,
        "reason": finding.reason,
        "n_baseline": finding.n_baseline,
        "n_window": finding.n_window,
        "p_value": finding.p_value,
        "q_value": finding.q_value,
        "unit": finding.unit,
        "detail": dict(finding.detail),
    }
