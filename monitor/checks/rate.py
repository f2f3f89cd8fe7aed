"""Rate checks: the mean of a signal from 0 to 1, corrected with labels if there are any."""

from __future__ import annotations

from typing import ClassVar

from detectors import Binning, Detector, Finding, Profile
from detectors.performance.rates import LEVEL, RISE, judged_column, labelled_column, with_rate
from monitor.checks.base import CheckTarget, ColumnCheck, Layouts, by_bucket
from monitor.checks.protocols import BaselineData, WindowData
from monitor.config.checks.base import CheckConfig
from monitor.config.checks.rate import RateConfig


class Rate(ColumnCheck[RateConfig]):
    """Compares the mean with that of the baseline, and with its upper limit."""

    Config: ClassVar[type[CheckConfig]] = RateConfig

    def columns(self, layouts: Layouts) -> list[str]:
        return [self.config.signal]

    def detectors(self, layout: Binning | None, profile: Profile | None) -> list[Detector]:
        config = self.config
        is_fixed = config.threshold or config.max_increase or config.max
        return [RISE, *([LEVEL] if config.max else []), *([] if is_fixed else by_bucket(layout))]

    def complete(self, finding: Finding, target: CheckTarget, baseline: BaselineData, window: WindowData) -> Finding:
        """Add the rate that is corrected with the labels of the window."""
        chosen = self.monitor.rates[target.column].labels_chosen
        return with_rate(finding, *self._labelled_profiles(target.column, finding.segment, window), chosen)

    def _labelled_profiles(
        self, signal: str, segment: str | None, window: WindowData
    ) -> tuple[Profile | None, Profile | None]:
        """Return the joint profile of a signal and its labels, of the window that ended `labels_after` ago.

        If verdicts of a judge count as labels, the second profile has human labels only.
        """
        late = bool(self.monitor.rates[signal].labels_after)
        profiles = (window.labelled if late else window.profiles).get(segment, {})
        people, judged = (profiles.get(column(signal)) for column in (labelled_column, judged_column))
        return (judged, people) if signal in self.monitor.judged and judged is not None else (people, None)
