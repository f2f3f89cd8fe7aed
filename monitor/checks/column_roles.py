"""What a column means: in which direction it improves, and whether it is an input or an output of the model."""

from __future__ import annotations

from detectors.direction import OUTPUTS, ROLES, Preference
from detectors.joint import JOINT
from detectors.outcome import OUTCOME
from monitor.config.models import Monitor
from monitor.config.signals import resolve


def preferences(monitor: Monitor) -> dict[str, Preference | None]:
    """Return the direction in which each column improves, as configured or as defined by its signal or its role."""
    of_signals = {signal.name: signal.better for signal in resolve(monitor.signals)}
    configured = {name: None if better == "unchanged" else better for name, better in monitor.better.items()}
    return {**ROLES, **of_signals, JOINT: "neutral", **configured}


def list_outputs(monitor: Monitor) -> frozenset[str]:
    """Return the columns that the model or its service produces: by role, and signals that are computed from these."""
    outputs = {*OUTPUTS, OUTCOME, JOINT, *monitor.outputs}
    computed = [signal.name for signal in resolve(monitor.signals) if outputs & {*signal.needs}]
    return frozenset({*outputs, *computed})
