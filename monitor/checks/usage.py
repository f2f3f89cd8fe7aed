"""Usage of a window (requests, tokens, costs), over all rows and by segment."""

from __future__ import annotations

import math
from typing import Any

from detectors.cost.usage import usage
from detectors.quality.percentile import TIMES
from monitor.checks.window import Window
from monitor.checks.window_comparison import largest_segments
from monitor.config.checks import LatencyConfig
from monitor.config.models import Monitor

ALL = ""
"""Key of all rows; no segment has this name."""


def usage_by_segment(monitor: Monitor, window: Window) -> dict[str, Any]:
    """Return usage by segment, and the currency of costs."""
    latency = [check for check in monitor.checks if isinstance(check, LatencyConfig)]
    named = [column for check in latency if check.columns != "auto" for column in check.columns]
    times = tuple(dict.fromkeys([*TIMES, *named]))
    seconds = len(window.starts) * monitor.bucket.total_seconds()
    by_segment: dict[str, Any] = {}
    for segment in (None, *largest_segments(monitor, window.profiles)):
        columns = window.profiles.get(segment, {})
        requests = max((profile.requests for profile in columns.values()), default=0)
        if segment is None:
            rows = sum(window.traffic.bucket_rows)
            requests = sum(part.facts.requests for part in window.parts) if window.parts else rows
        by_segment[segment or ALL] = usage(columns, requests, seconds, monitor.money, monitor.success, times)
    return {"currency": monitor.currency, "segments": {segment: _finite(used) for segment, used in by_segment.items()}}


def _finite(data: dict[str, Any]) -> dict[str, Any]:
    """Remove infinite values, which JSON cannot represent."""
    finite: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            finite[key] = _finite(value)
        elif not isinstance(value, float) or math.isfinite(value):
            finite[key] = value
    return finite
