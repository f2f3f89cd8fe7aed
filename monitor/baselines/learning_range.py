"""Compute the time range that a baseline is learnt from."""

from __future__ import annotations

from datetime import datetime

from monitor.config.models import Monitor
from monitor.core.schedule import floor


def baseline_range(monitor: Monitor, live_start: datetime) -> tuple[datetime, datetime]:
    """Return the time range that a baseline is learnt from, in whole buckets."""
    settings = monitor.baseline
    if settings.start is not None and settings.end is not None:
        return floor(settings.start, monitor.bucket), floor(settings.end, monitor.bucket)
    if settings.rolling is None:
        raise ValueError("a baseline from a file has no time range.")
    return floor(live_start - settings.rolling, monitor.bucket), floor(live_start, monitor.bucket)
