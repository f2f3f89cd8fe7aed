"""Checks of records and traffic over the windows of a range. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from detectors.base import Finding
from detectors.quality.traffic import Traffic
from monitor.checks.baseline import Baseline
from monitor.checks.quality import RecordQuality
from monitor.checks.registry import make_checks
from monitor.config.models import Monitor
from monitor.profiling.timeline import Timeline


def record_checks(monitor: Monitor) -> list[RecordQuality]:
    """Return the checks of a monitor on records and traffic."""
    return [check for check in make_checks(monitor) if isinstance(check, RecordQuality)]


def traffic_findings(
    checks: Sequence[RecordQuality], baseline: Baseline, timeline: Timeline, place: int
) -> Iterator[Finding]:
    """Yield the findings of the checks in the window that ends with a step."""
    first = place - timeline.length + 1
    rows = timeline.rows[first : place + 1]
    filled = np.flatnonzero(timeline.rows[: place + 1])
    silent = None if len(filled) == 0 else float((place - filled[-1]) * timeline.step.total_seconds())
    traffic = Traffic(
        bucket_rows=tuple(rows.tolist()),
        bucket_seconds=timeline.step.total_seconds(),
        schema=baseline.traffic.schema,
        seconds_since_newest=silent,
    )
    for check in checks:
        yield from check.compare(baseline, traffic)
