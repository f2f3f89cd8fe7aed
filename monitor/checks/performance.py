"""Performance of the model: its metrics, with labels or estimated without."""

from __future__ import annotations

from typing import ClassVar

from detectors import PERFORMANCE
from detectors.base import Detector
from detectors.binning import Binning
from detectors.outcome import OUTCOME
from detectors.profile import Profile
from monitor.checks.base import ColumnCheck, Layouts
from monitor.config.checks.base import CheckConfig
from monitor.config.checks.performance import PerformanceConfig


class Performance(ColumnCheck[PerformanceConfig]):
    """Compares each metric with the baseline's."""

    Config: ClassVar[type[CheckConfig]] = PerformanceConfig

    def columns(self, layouts: Layouts) -> list[str]:
        return [OUTCOME] if OUTCOME in layouts else []

    def detectors(self, layout: Binning | None, profile: Profile | None) -> list[Detector]:
        fitting = [detector for detector in PERFORMANCE.values() if layout and layout.kind in detector.kinds]
        return [detector for detector in fitting if self.config.method == "auto" or detector.name in self.config.method]

    def waits_for_labels(self, detector: Detector) -> bool:
        return detector.counts == "usable" and bool(self.config.labels_after)
