"""Changes that may have caused an incident: first occurrences, and growth of the traffic. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.base import Finding, Status
from monitor.checks.baseline import Baseline
from monitor.checks.evaluation import Evaluation
from monitor.checks.new_values import earliest
from monitor.checks.window import Window
from monitor.core.action import AlertHistory
from monitor.core.incident import TRAFFIC_GROWTH, Change

VOLUME = "volume"


def list_changes(evaluation: Evaluation, history: AlertHistory) -> list[Change]:
    """Return the first occurrences of versions, categories and columns, each with its earliest sighting."""
    return earliest([*history.changes, *evaluation.changes], history.versions)


def find_growth(findings: Sequence[Finding], baseline: Baseline | None, window: Window | None) -> list[Change]:
    """Return that the window has more records than the baseline, dated by its first bucket that has more than any."""
    rise = next((f for f in findings if f.method == VOLUME and f.status is Status.DRIFTED), None)
    if rise is None or baseline is None or window is None or not window.starts:
        return []
    buckets, length = baseline.traffic.bucket_rows, len(window.traffic.bucket_rows)
    usual, busiest = sum(buckets) / max(1, len(buckets)) * length, max(buckets, default=0)
    if window.traffic.rows <= usual:
        return []
    rows = zip(window.starts, window.traffic.bucket_rows, strict=False)
    first = next((start for start, count in rows if count > busiest), window.starts[0])
    return [Change(TRAFFIC_GROWTH, VOLUME, f"{window.traffic.rows / usual:.1f} times the baseline", first)]
