"""Objectives of a monitor: what a bucket counts toward them, and whether their room for error burns too fast. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from detectors.base import Finding, Status
from detectors.spend.objective import Events, burning
from monitor.checks.targets import name
from monitor.config.models import Monitor
from monitor.profiling.profile import Profiled


def count_events(monitor: Monitor, profiled: Profiled) -> dict[str, Events]:
    """Return by signal how many requests of a bucket told, and how many were bad.

    Of rows with weights the share is that of the traffic, and the number the effective one of rows: ten requests that
    one logged row stands for are no ten independent answers.
    """
    columns = {name: profile.sample() for name, profile in profiled.profiles.get(None, {}).items()}
    signals = {str(check.signal) for check in monitor.objectives} & set(columns)
    return {signal: Events(columns[signal].n, float(columns[signal].total)) for signal in sorted(signals)}


def evaluate_objectives(
    monitor: Monitor, counted: Mapping[str, Mapping[datetime, Events]], at: datetime | None
) -> Iterator[Finding]:
    """Hold what was counted against every objective."""
    for check in monitor.objectives:
        called, signal = name(check, "slo"), str(check.signal)
        if at is not None and signal in counted and check.objective is not None:
            least = check.min_samples or monitor.min_samples
            yield burning(called, signal, check.objective, at, counted[signal], check.period, check.burn, least)
            continue
        reason = f"missing_column: nothing says {signal!r} of the requests; add it to `signals:`"
        if at is None:
            reason = "not_measured: objectives are held against the daemon's counts, which a single check does not have"
        yield Finding(called, signal, "burn_rate", None, Status.INCONCLUSIVE, reason, unit="of the rate that alerts")
