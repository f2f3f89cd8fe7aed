"""Inhibition: findings that follow from something that is announced, or is an improvement, alert nobody. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from detectors.base import Finding, Status
from detectors.joint import JOINT
from monitor.checks.evaluation import Evaluation
from monitor.config.rules import OWN_INCIDENT
from monitor.core.action import AlertHistory
from monitor.core.incident import NO_DATA

WITHOUT_WINDOW = ("spend", "slo", *OWN_INCIDENT)
"""Checks that do not compare the window with the baseline."""
OF_MISSING_DATA = ("volume", "freshness")
"""Checks that alert as long as a window contains buckets without records."""


def without_unseen(findings: Sequence[Finding], evaluation: Evaluation, history: AlertHistory) -> Sequence[Finding]:
    """Return the findings that may alert in a bucket; while missing data fires and the bucket has no result, few.

    Its window is that of the buckets before the outage and lasts ever shorter, so its findings are not decided. Costs
    and objectives are those of longer periods, and evaluations and comparisons have data of their own.
    """
    missing = history.open.get(NO_DATA)
    if missing is None or missing.state != "firing" or evaluation.result != "inconclusive":
        return findings
    return [finding for finding in findings if finding.check in WITHOUT_WINDOW]


def inhibit(findings: Sequence[Finding], history: AlertHistory, start: datetime) -> list[Finding]:
    """Return the findings that may alert.

    Inhibited are fewer or older records while missing data is announced, or was since the start of the window, and a
    change of the joint distribution where columns improved and none got worse.

    Parameters
    ----------
    start
        Of the window.
    """
    missing = history.open.get(NO_DATA) or history.resolved.get(NO_DATA)
    announced = missing is not None and (missing.resolved_at is None or missing.resolved_at > start)
    columns = [f for f in findings if f.status is Status.DRIFTED and f.column not in (None, JOINT)]
    improved = bool(columns) and all(finding.direction == "better" for finding in columns)
    kept = [f for f in findings if not (announced and f.check in OF_MISSING_DATA)]
    return [replace(f, direction="better") if improved and f.column == JOINT else f for f in kept]
