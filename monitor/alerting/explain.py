"""Explain new findings: the segments and values that contribute most, and the change just before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from detectors import Finding
from monitor.alerting.attribution import attribute
from monitor.alerting.finding_explanation import explain_finding
from monitor.alerting.news import choose_news
from monitor.checks.baseline import Baseline
from monitor.checks.window import Window
from monitor.checks.window_comparison import WindowComparison
from monitor.config.models import Monitor
from monitor.core.incident import Change, Incident


def explain(
    monitor: Monitor,
    baseline: Baseline | None,
    window: Window | None,
    findings: Sequence[Finding],
    incidents: Mapping[str, Incident],
    changes: Sequence[Change],
    at: datetime,
) -> list[Finding]:
    """Add explanations to adverse findings that are new to the open incidents; others are not changed.

    Parameters
    ----------
    incidents
        Open incidents by group; their findings are not explained again.
    changes
        First occurrences; those since the start of the window are candidates.

    Returns
    -------
    list of Finding
        The same findings, with the part that each new version explains (see :mod:`monitor.alerting.attribution`). The
        worst finding of each column and segment, at most ten in total, has ``detail["explanation"]``:
        ``{sentence, text, carriers, values, pairs, change}``. ``text`` is the sentence without the reason and the
        change.
    """
    if baseline is None or window is None:
        return list(findings)
    findings = attribute(monitor, baseline, window, findings, changes, at, _find_onsets(incidents))
    chosen = {finding.key for finding in choose_news(monitor, findings, incidents)}
    since = at - monitor.window - monitor.bucket
    recent = [change for change in changes if since <= change.first_seen <= at]
    comparison = WindowComparison(monitor, baseline, window)
    return [explain_finding(comparison, f, recent, at) if f.key in chosen else f for f in findings]


def _find_onsets(incidents: Mapping[str, Incident]) -> dict[str, str]:
    """Return the first affected bucket of each column that an open incident has."""
    items = [item for one in incidents.values() for item in one.evidence.values() if "attribution" in item]
    ordered = sorted(items, key=lambda item: item["attribution"]["since"], reverse=True)
    return {str(item["column"]): item["attribution"]["since"] for item in ordered}
