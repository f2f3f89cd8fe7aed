"""Rates: the mean of a signal from 0 to 1, corrected by labels where there are some."""

from __future__ import annotations

from typing import ClassVar

from detectors.base import Detector
from detectors.binning import Binning
from detectors.performance.rates import LEVEL, RISE
from detectors.profile import Profile
from monitor.checks.base import ColumnCheck, Layouts, by_bucket
from monitor.config.checks.base import CheckConfig
from monitor.config.checks.rate import RateConfig


class Rate(ColumnCheck[RateConfig]):
    """Compares the mean with the baseline's and with what it may be at all."""

    Config: ClassVar[type[CheckConfig]] = RateConfig

    def columns(self, layouts: Layouts) -> list[str]:
        return [self.config.signal]

    def detectors(self, layout: Binning | None, profile: Profile | None) -> list[Detector]:
        config = self.config
        is_fixed = config.threshold or config.max_increase or config.max
        return [RISE, *([LEVEL] if config.max else []), *([] if is_fixed else by_bucket(layout))]
