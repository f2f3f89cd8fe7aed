"""Protocols of the baseline, window and bucket data that checks read."""

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
    """The part of a calibration that checks read."""

    @property
    def records(self) -> Mapping[str, ResidualHistory]:
        """Errors of label-free estimates, by metric."""

    def of(self, finding: Finding) -> CalibratedNull | None:
        """Return the null distribution of a finding, if there is one."""


class BaselineData(Protocol):
    """The part of a baseline that checks read."""

    @property
    def traffic(self) -> Traffic:
        """Row counts of the buckets, and the columns."""

    @property
    def calibration(self) -> LearntCalibration:
        """Null distributions and thresholds."""


class WindowData(Protocol):
    """The part of a window that checks read."""

    @property
    def profiles(self) -> Mapping[str | None, Mapping[str, Profile]]:
        """Profiles by segment and column; segment None is all rows."""

    @property
    def labelled(self) -> Mapping[str | None, Mapping[str, Profile]]:
        """Profiles of the window that ended `labels_after` ago."""

    @property
    def traffic(self) -> Traffic:
        """Row counts of the buckets, and the columns."""

    @property
    def starts(self) -> Sequence[datetime]:
        """Start of each bucket."""

    @property
    def truths(self) -> Mapping[str, Sequence[Residual]]:
        """Errors of estimates in the labelled windows since the baseline, by metric."""

    @property
    def counted(self) -> Mapping[str, Mapping[datetime, EventCounts]] | None:
        """Counts for objectives, by signal and start of the period, up to `end`; None if not loaded."""

    @property
    def end(self) -> datetime | None:
        """End of the window; None outside a live monitor."""


class BucketData(Protocol):
    """The part of a bucket, and of the buckets before it, that checks read."""

    @property
    def spending(self) -> SpendState | None:
        """Costs up to the end of the bucket; None if not loaded."""
