"""Checks of service level objectives: burn rates of the error budget of a period."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from detectors.base import Finding, Status
from detectors.cost.objective import Objective, burning
from monitor.checks.base import Check
from monitor.checks.protocols import BaselineData, WindowData
from monitor.config.checks.base import CheckConfig
from monitor.config.checks.slo import SloConfig


class Slo(Check[SloConfig]):
    """Compares the bad requests counted by the daemon with an objective."""

    Config: ClassVar[type[CheckConfig]] = SloConfig

    def evaluate(self, baseline: BaselineData, window: WindowData) -> Iterator[Finding]:
        config, at = self.config, window.end
        if at is not None and window.counted is not None and config.signal in window.counted:
            events, least = window.counted[config.signal], config.min_samples or self.monitor.min_samples
            objective = Objective(
                config.finding_name, config.signal, config.objective, config.period, config.burn, least
            )
            yield burning(objective, at, events)
            return
        reason = f"missing_column: the signal {config.signal!r} is not computed; add it to `signals:`"
        if window.counted is None:
            reason = "not_measured: objectives use the counts of the daemon, which a single check does not have"
        unit = "of the rate that alerts"
        yield Finding(config.finding_name, config.signal, "burn_rate", None, Status.INCONCLUSIVE, reason, unit=unit)
