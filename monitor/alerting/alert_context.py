"""The state that the decisions about an evaluation depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from detectors.base import Finding
from monitor.checks.baseline import Baseline
from monitor.core.action import AlertHistory


@dataclass(frozen=True)
class AlertContext:
    """State that the decisions about an evaluation depend on.

    Parameters
    ----------
    history
        Earlier incidents, silences and changes.
    baseline
        The active baseline, if any.
    shifts
        Differences of the window from the plateau of the firing incident, by group.
    """

    history: AlertHistory = AlertHistory()
    baseline: Baseline | None = None
    shifts: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
