"""A whole window, read from the source and summed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from monitor.checks.baseline import Baseline
from monitor.checks.detect import Window
from monitor.checks.window_sum import sum_window
from monitor.config.models import Monitor
from monitor.jobs.observe_window import observe_window
from monitor.profiling.profile import Facts
from monitor.sources.base import Reader


def read_window(reader: Reader, monitor: Monitor, baseline: Baseline, end: datetime) -> tuple[Window, Facts]:
    """Return the window that ends at a time, with nothing remembered of the buckets before, and what it showed."""
    observed, stored = observe_window(reader, monitor, baseline, end)
    window = sum_window(monitor, baseline, observed.bucket, observed.profiled, stored, observed.newest)
    facts = sum((part.facts for part in stored.parts), observed.profiled.facts)
    return replace(window, newest={}, sums={}, end=None), facts
