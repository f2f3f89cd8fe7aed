"""Count good and bad requests of a bucket for service level objectives."""

from __future__ import annotations

from detectors.cost.objective import EventCounts
from monitor.config.models import Monitor
from monitor.profiling.profile import Profiled


def count_events(monitor: Monitor, profiled: Profiled) -> dict[str, EventCounts]:
    """Return the number of requests with a value and the number of bad ones, by signal.

    For weighted rows the share is that of the traffic and the number is the effective number of rows, since ten
    requests that one logged row represents are not ten independent observations.
    """
    columns = {name: profile.sample() for name, profile in profiled.profiles.get(None, {}).items()}
    signals = {check.signal for check in monitor.objectives} & set(columns)
    return {signal: EventCounts(columns[signal].n, float(columns[signal].total)) for signal in sorted(signals)}
