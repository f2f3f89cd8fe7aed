"""Objectives of a monitor: what a bucket counts toward them. Pure."""

from __future__ import annotations

from detectors.cost.objective import EventCounts
from monitor.config.models import Monitor
from monitor.profiling.profile import Profiled


def count_events(monitor: Monitor, profiled: Profiled) -> dict[str, EventCounts]:
    """Return by signal how many requests of a bucket told, and how many were bad.

    Of rows with weights the share is that of the traffic, and the number the effective one of rows: ten requests that
    one logged row stands for are no ten independent answers.
    """
    columns = {name: profile.sample() for name, profile in profiled.profiles.get(None, {}).items()}
    signals = {check.signal for check in monitor.objectives} & set(columns)
    return {signal: EventCounts(columns[signal].n, float(columns[signal].total)) for signal in sorted(signals)}
