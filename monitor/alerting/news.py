"""Select the new findings: those that match a rule and are not in its open incident."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detectors import Finding
from monitor.alerting.grouping import find_group
from monitor.alerting.incidents import is_news
from monitor.config.models import Monitor
from monitor.config.rules import matches
from monitor.core.incident import Incident

MOST_FINDINGS = 10


def choose_news(monitor: Monitor, findings: Sequence[Finding], incidents: Mapping[str, Incident]) -> list[Finding]:
    """Return the worst new finding of each check, column and segment, those of all rows before segments."""
    worst: dict[tuple[str, str | None, str | None], Finding] = {}
    drifted = [f for f in findings if f.is_adverse and f.column is not None]
    for finding in sorted(drifted, key=lambda f: (f.segment is not None, -f.excess)):
        groups = {find_group(monitor, rule, finding) for rule in monitor.rules if matches(rule, finding)}
        if any(is_news(finding, incidents.get(group)) for group in groups):
            worst.setdefault((finding.check, finding.column, finding.segment), finding)
    return list(worst.values())[:MOST_FINDINGS]
