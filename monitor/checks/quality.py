"""Quality checks: defects of columns, and of the records as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from detectors import DETECTORS, TRAFFIC_CHECKS
from detectors.base import Detector, Finding, Status
from detectors.binning import Binning
from detectors.direction import Preference
from detectors.profile import Profile
from detectors.quality.traffic import Traffic
from monitor.checks.base import Check, ColumnCheck, Layouts
from monitor.checks.protocols import BaselineData, WindowData
from monitor.config.checks.base import CheckConfig
from monitor.config.checks.quality import ColumnQualityConfig, FreshnessConfig, QualityConfig, RecordQualityConfig

VOLUME = "volume"


class ColumnQuality(ColumnCheck[ColumnQualityConfig]):
    """Runs the detector of the kind on each column of a suitable kind."""

    Config: ClassVar[type[CheckConfig]] = ColumnQualityConfig

    def columns(self, layouts: Layouts) -> list[str]:
        return list(layouts) if self.config.columns == "auto" else list(self.config.columns)

    def detectors(self, layout: Binning | None, profile: Profile | None) -> list[Detector]:
        detector = DETECTORS[self.kind]
        return [detector] if layout is None or layout.kind in detector.kinds else []


class RecordQuality(Check[RecordQualityConfig]):
    """Compares the records as a whole with those of the baseline."""

    Config: ClassVar[type[CheckConfig]] = RecordQualityConfig

    def evaluate(self, baseline: BaselineData, window: WindowData) -> Iterator[Finding]:
        yield from self.compare(baseline, window.traffic)

    def compare(self, baseline: BaselineData, traffic: Traffic) -> Iterator[Finding]:
        """Yield the findings of the records of a window as a whole."""
        findings = TRAFFIC_CHECKS[self.kind](
            baseline.traffic,
            traffic,
            threshold=self.config.bound,
            calibrated=baseline.calibration.of(self.placeholder),
            better=self.better,
        )
        yield from (replace(finding, check=self.config.finding_name) for finding in findings)

    @property
    def better(self) -> Preference | None:
        """Return whether more or fewer records are an improvement; None if every change is a deterioration."""
        better = self.monitor.better.get(VOLUME, "higher")
        return None if better == "unchanged" else better

    @property
    def placeholder(self) -> Finding:
        """Return an empty finding with the key of its findings, under which the null distribution is stored."""
        return Finding(self.config.finding_name, None, self.kind, None, Status.OK, "", about="pipe")


class Freshness(RecordQuality):
    """Compares the age of the newest row with its maximum."""

    Config: ClassVar[type[CheckConfig]] = FreshnessConfig


class Quality(Check[QualityConfig]):
    """A group without findings of its own; its configuration expands to the other kinds of this module."""

    Config: ClassVar[type[CheckConfig]] = QualityConfig
