"""What a check kind is: what it measures of each column, and what else it finds in a window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, Protocol, TypeVar

from detectors import Binning, Detector, Finding, Profile, Status
from detectors.cost.objective import EventCounts
from detectors.direction import ROLES, Preference
from detectors.drift.cusum import DETECTOR as CUSUM
from detectors.drift.rate_cusum import DETECTOR as RATE_CUSUM
from detectors.joint import JOINT
from detectors.null_distribution import CalibratedNull
from detectors.quality.traffic import Traffic
from monitor.config.checks.base import CheckConfig, MeasuredConfig
from monitor.config.models import Monitor
from monitor.config.signals import resolve

ConfigT_co = TypeVar("ConfigT_co", bound=CheckConfig, covariant=True)
MeasuredT_co = TypeVar("MeasuredT_co", bound=MeasuredConfig, covariant=True)
Layouts = Mapping[str, Binning]
Profiles = Mapping[str, Profile]


@dataclass(frozen=True)
class CheckTarget:
    """One detector on one column, as the configuration asks for it.

    ``late`` when it waits for labels; ``better`` is which way the column improves.
    """

    check: str
    detector: Detector
    column: str
    threshold: float | None
    min_samples: int
    segments: bool
    late: bool = False
    better: Preference | None = None

    def finding(self, segment: str | None, reason: str = "") -> Finding:
        """Return the finding of something that could not be measured."""
        unit, about = self.detector.unit, self.detector.about
        return Finding(
            self.check, self.column, self.detector.name, segment, Status.INCONCLUSIVE, reason, unit=unit, about=about
        )


class LimitsByFinding(Protocol):
    """Null distributions that were learnt from a baseline."""

    def of(self, finding: Finding) -> CalibratedNull | None:
        """Return the null distribution of a finding, if there is one."""


class BaselineData(Protocol):
    """What a check reads of a baseline."""

    @property
    def traffic(self) -> Traffic:
        """How many rows its buckets had, and which columns."""

    @property
    def calibration(self) -> LimitsByFinding:
        """What it says about its own noise."""


class WindowData(Protocol):
    """What a check reads of a window."""

    @property
    def profiles(self) -> Mapping[str | None, Mapping[str, Profile]]:
        """Profiles by segment and column; the segment None is all rows."""

    @property
    def traffic(self) -> Traffic:
        """How many rows its buckets had, and which columns."""

    @property
    def counted(self) -> Mapping[str, Mapping[datetime, EventCounts]] | None:
        """What objectives count, by signal and bucket, up to `end`; None where it is not at hand."""

    @property
    def end(self) -> datetime | None:
        """Where the window of a live monitor ends."""


class Check(Generic[ConfigT_co]):
    """A check of a monitor. A kind overrides what it needs: `targets`, `evaluate`, or both. Pure.

    Parameters
    ----------
    config
        Its settings, of the type `Config`.
    monitor
        The monitor that it belongs to.
    """

    Config: ClassVar[type[CheckConfig]]

    def __init__(self, config: ConfigT_co, monitor: Monitor) -> None:
        self.config = config
        self.monitor = monitor

    @property
    def kind(self) -> str:
        """Return the key of the check in driftd.yaml."""
        return self.config.kind

    def targets(self, layouts: Layouts, profiles: Profiles) -> Iterator[CheckTarget]:
        """Yield what is measured of each column.

        Parameters
        ----------
        layouts
            Bins of the baseline's columns.
        profiles
            The baseline's of all rows, by column; empty where they are not at hand.
        """
        yield from ()

    def evaluate(self, baseline: BaselineData, window: WindowData) -> Iterator[Finding]:
        """Yield what it finds in a window beside its targets."""
        yield from ()


class ColumnCheck(Check[MeasuredT_co]):
    """A check that runs detectors on columns."""

    def columns(self, layouts: Layouts) -> list[str]:
        """Return the columns that are measured."""
        raise NotImplementedError

    def detectors(self, layout: Binning | None, profile: Profile | None) -> list[Detector]:
        """Return the detectors that are run on a column."""
        raise NotImplementedError

    def waits_for_labels(self, detector: Detector) -> bool:
        """Say whether a detector measures the window whose labels have had their time to arrive."""
        return False

    def targets(self, layouts: Layouts, profiles: Profiles) -> Iterator[CheckTarget]:
        """Yield what is measured of each column."""
        config, better = self.config, preferences(self.monitor)
        for column in self.columns(layouts):
            for detector in self.detectors(layouts.get(column), profiles.get(column)):
                yield CheckTarget(
                    config.finding_name,
                    detector,
                    column,
                    config.fixed_threshold(detector.name),
                    config.min_samples or self.monitor.min_samples,
                    config.segments and column != JOINT and detector is not CUSUM,
                    self.waits_for_labels(detector),
                    better.get(column),
                )


def preferences(monitor: Monitor) -> dict[str, Preference | None]:
    """Return which way each column improves, where that is known: by its signal, or by its role."""
    of_signals = {signal.name: signal.better for signal in resolve(monitor.signals)}
    return {**ROLES, **of_signals, JOINT: "neutral"}


def by_bucket(layout: Binning | None) -> list[Detector]:
    """Return what looks at a rate or a time bucket by bucket, beside the detectors of windows."""
    return [RATE_CUSUM] if layout and layout.kind in RATE_CUSUM.kinds else []
