"""Quality: defects of single columns, and of the records as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from detectors import DETECTORS, TRAFFIC_CHECKS
from detectors.base import Detector, Finding, Status
from detectors.binning import Binning
from detectors.profile import Profile
from detectors.quality.traffic import Traffic
from monitor.checks.base import Check, ColumnCheck, Layouts
from monitor.checks.protocols import BaselineData, WindowData
from monitor.config.checks.base import CheckConfig
from monitor.config.checks.quality import ColumnQualityConfig, FreshnessConfig, QualityConfig, RecordQualityConfig


class ColumnQuality(ColumnCheck[ColumnQualityConfig]):
    """Runs the detector of the kind on each column that it fits."""

    Config: ClassVar[type[CheckConfig]] = ColumnQualityConfig

    def columns(self, layouts: Layouts) -> list[str]:
        return list(layouts) if self.config.columns == "auto" else list(self.config.columns)

    def detectors(self, layout: Binning | None, profile: Profile | None) -> list[Detector]:
        detector = DETECTORS[self.kind]
        return [detector] if layout is None or layout.kind in detector.kinds else []


class RecordQuality(Check[RecordQualityConfig]):
    """Compares the records as a whole with the baseline's."""

    Config: ClassVar[type[CheckConfig]] = RecordQualityConfig

    def evaluate(self, baseline: BaselineData, window: WindowData) -> Iterator[Finding]:
        yield from self.compare(baseline, window.traffic)

    def compare(self, baseline: BaselineData, traffic: Traffic) -> Iterator[Finding]:
        """Yield the findings of the records of a window."""
        findings = TRAFFIC_CHECKS[self.kind](
            baseline.traffic,
            traffic,
            threshold=self.config.bound,
            calibrated=baseline.calibration.of(self.placeholder),
        )
        yield from (replace(finding, check=self.config.finding_name) for finding in findings)

    @property
    def placeholder(self) -> Finding:
        """Return a finding with the key of those that it yields, under which its null distribution is kept."""
        return Finding(self.config.finding_name, None, self.kind, None, Status.OK, "", about="pipe")


class Freshness(RecordQuality):
    """Compares the age of the newest row with what it may be."""

    Config: ClassVar[type[CheckConfig]] = FreshnessConfig


class Quality(Check[QualityConfig]):
    """Finds nothing itself: its configuration expands into the other kinds of this module."""

    Config: ClassVar[type[CheckConfig]] = QualityConfig
