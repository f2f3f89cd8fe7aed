"""Latency checks: compare percentiles of durations with targets or with the baseline."""

from __future__ import annotations

from typing import ClassVar

from detectors import LATENCY
from detectors.base import Detector
from detectors.binning import Binning
from detectors.profile import Profile
from detectors.quality.percentile import TIMES
from monitor.checks.base import ColumnCheck, Layouts, by_bucket
from monitor.config.checks.base import CheckConfig
from monitor.config.checks.latency import LatencyConfig

RISING = ("p50_rise", "p95_rise", "p99_rise")
"""Detectors that are run if no target is set."""


class Latency(ColumnCheck[LatencyConfig]):
    """Compares percentiles with their targets, or their increase over the baseline with a threshold."""

    Config: ClassVar[type[CheckConfig]] = LatencyConfig

    def columns(self, layouts: Layouts) -> list[str]:
        named = self.config.columns
        return [name for name in layouts if name in TIMES] if named == "auto" else list(named)

    def detectors(self, layout: Binning | None, profile: Profile | None) -> list[Detector]:
        is_fixed = self.config.targets or self.config.threshold
        return [*(LATENCY[name] for name in self.config.targets or RISING), *([] if is_fixed else by_bucket(layout))]
