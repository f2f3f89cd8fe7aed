"""Latency: percentiles of times, against targets or against the baseline."""

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
"""What is watched of times when no target is given."""


class Latency(ColumnCheck[LatencyConfig]):
    """Compares percentiles with their targets, or their rise over the baseline's with a threshold."""

    Config: ClassVar[type[CheckConfig]] = LatencyConfig

    def columns(self, layouts: Layouts) -> list[str]:
        named = self.config.columns
        return [name for name in layouts if name in TIMES] if named == "auto" else list(named)

    def detectors(self, layout: Binning | None, profile: Profile | None) -> list[Detector]:
        is_fixed = self.config.targets or self.config.threshold
        return [*(LATENCY[name] for name in self.config.targets or RISING), *([] if is_fixed else by_bucket(layout))]
