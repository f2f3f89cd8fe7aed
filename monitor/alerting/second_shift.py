"""Plateaus: how a window differs from what the open incidents of its monitor have led to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from detectors.base import Finding
from monitor.alerting.change_point import Plateaus, second_shift
from monitor.alerting.explain import explain_moves
from monitor.checks.baseline import Baseline
from monitor.checks.detect import Window
from monitor.config.models import Monitor
from monitor.core.incident import NO_DATA, Incident


def plateau_starts(monitor: Monitor, incidents: Mapping[str, Incident], end: datetime) -> dict[str, datetime]:
    """Return by rule when people were told last of its firing incident, where a whole window has passed since."""
    announced = {i.rule: i.told_at for i in incidents.values() if i.state == "firing" and i.rule != NO_DATA}
    return {rule: at for rule, at in announced.items() if at and end - at > monitor.window}


def compare_with_plateaus(
    monitor: Monitor,
    baseline: Baseline | None,
    incidents: Mapping[str, Incident],
    plateaus: Plateaus,
    window: Window | None,
) -> dict[str, list[Finding]]:
    """Return by rule how a window differs from what people were told last of its firing incident, explained.

    ``plateaus`` are by the bins of the baseline and by their beginning.
    """
    if baseline is None or window is None or window.end is None:
        return {}
    shifts = {}
    for rule, start in plateau_starts(monitor, incidents, window.end).items():
        plateau = plateaus[baseline.layout, start]
        shifts[rule] = explain_moves(plateau, window, second_shift(monitor, baseline, plateau, window))
    return shifts
