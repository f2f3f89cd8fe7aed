"""What a check reads of a baseline and of a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from detectors import Finding, Profile
from detectors.cost.objective import EventCounts
from detectors.null_distribution import CalibratedNull
from detectors.performance.interval_calibration import Residual, ResidualHistory
from detectors.quality.traffic import Traffic
from monitor.profiling.spend import SpendState


class LearntCalibration(Protocol):
    """What was learnt from the windows of a baseline."""

    @property
    def records(self) -> Mapping[str, ResidualHistory]:
        """How estimates without labels compared with the truth, by metric."""

    def of(self, finding: Finding) -> CalibratedNull | None:
        """Return the null distribution of a finding, if there is one."""


class BaselineData(Protocol):
    """What a check reads of a baseline."""

    @property
    def traffic(self) -> Traffic:
        """How many rows its buckets had, and which columns."""

    @property
    def calibration(self) -> LearntCalibration:
        """What it says about its own noise."""


class WindowData(Protocol):
    """What a check reads of a window."""

    @property
    def profiles(self) -> Mapping[str | None, Mapping[str, Profile]]:
        """Profiles by segment and column; the segment None is all rows."""

    @property
    def labelled(self) -> Mapping[str | None, Mapping[str, Profile]]:
        """The same of the window whose labels have had their time to arrive."""

    @property
    def traffic(self) -> Traffic:
        """How many rows its buckets had, and which columns."""

    @property
    def starts(self) -> Sequence[datetime]:
        """When each of its buckets starts."""

    @property
    def truths(self) -> Mapping[str, Sequence[Residual]]:
        """How estimates compared with the truth in the labelled windows since the baseline, by metric."""

    @property
    def counted(self) -> Mapping[str, Mapping[datetime, EventCounts]] | None:
        """What objectives count, by signal and bucket, up to `end`; None where it is not at hand."""

    @property
    def end(self) -> datetime | None:
        """Where the window of a live monitor ends."""


class BucketData(Protocol):
    """What a check reads of a bucket and of what is stored of those before it."""

    @property
    def spending(self) -> SpendState | None:
        """What was spent up to its end; None where that is not at hand."""
