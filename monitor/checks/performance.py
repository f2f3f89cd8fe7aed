"""Performance checks: metrics of the model, computed from labels or estimated without labels."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from detectors import PERFORMANCE, Binning, Detector, Finding, Profile
from detectors.outcome import OUTCOME
from detectors.performance.measured import ESTIMATED, spoken, with_record
from monitor.checks.base import CheckTarget, ColumnCheck, Layouts
from monitor.checks.protocols import BaselineData, WindowData
from monitor.config.checks.base import CheckConfig
from monitor.config.checks.performance import PerformanceConfig


class Performance(ColumnCheck[PerformanceConfig]):
    """Compares each metric with that of the baseline."""

    Config: ClassVar[type[CheckConfig]] = PerformanceConfig

    def columns(self, layouts: Layouts) -> list[str]:
        return [OUTCOME] if OUTCOME in layouts else []

    def detectors(self, layout: Binning | None, profile: Profile | None) -> list[Detector]:
        fitting = [detector for detector in PERFORMANCE.values() if layout and layout.kind in detector.kinds]
        return [detector for detector in fitting if self.config.method == "auto" or detector.name in self.config.method]

    def waits_for_labels(self, detector: Detector) -> bool:
        return detector.counts == "usable" and bool(self.config.labels_after)

    def complete(self, finding: Finding, target: CheckTarget, baseline: BaselineData, window: WindowData) -> Finding:
        """Add the interval of an estimate, from the errors of earlier ones; for a metric, whether it was within it."""
        monitor, metric = self.monitor, finding.method.removeprefix(ESTIMATED)
        learnt = baseline.calibration.records.get(metric)
        record = learnt + window.truths.get(metric, ()) if learnt else None
        lag = monitor.labels_after / monitor.window + 1
        end = (
            (window.starts[-1] + monitor.bucket).timestamp() / monitor.window.total_seconds() if window.starts else 0.0
        )
        at = end - lag if target.late else end
        detail = with_record(finding.method, finding.detail, record, at, lag)
        return replace(finding, detail=detail, reason=finding.reason + spoken(detail)) if detail else finding
