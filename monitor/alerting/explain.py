"""Explain: which segment and which values carry a finding that is news, and what changed just before. Pure."""

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
    """Add an explanation to what drifted and was not told of before; the rest costs nothing and stays as it is.

    Parameters
    ----------
    incidents
        Open incidents by rule: what they hold is known.
    changes
        First sights; those since the window began may be named.

    Returns
    -------
    list of Finding
        The same findings, with the part that each new version explains (see :mod:`monitor.alerting.attribution`). Of
        each column and segment the worst one, of at most ten, has ``explanation`` in its
        detail: ``{sentence, text, carriers, values, pairs, change}``; the text is the sentence without its lead and
        without the change, which an incident has beside it.
    """
    if baseline is None or window is None:
        return list(findings)
    findings = attribute(monitor, baseline, window, findings, changes, at)
    chosen = {finding.key for finding in choose_news(monitor, findings, incidents)}
    since = at - monitor.window - monitor.bucket
    recent = [change for change in changes if since <= change.first_seen <= at]
    comparison = WindowComparison(monitor, baseline, window)
    return [explain_finding(comparison, f, recent, at) if f.key in chosen else f for f in findings]
