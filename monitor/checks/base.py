"""Base classes of check kinds: their targets (detectors on columns), and other findings of a window or bucket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, TypeVar

import numpy as np

from detectors import Binning, Detector, Direction, Finding, Profile, Status
from detectors.base import About
from detectors.direction import Preference, has_improved, infer_direction, is_improvement
from detectors.drift.cusum import DETECTOR as CUSUM
from detectors.drift.rate_cusum import DETECTOR as RATE_CUSUM
from detectors.joint import JOINT
from detectors.performance.rates import RISE
from detectors.stack import Counted
from monitor.checks.column_roles import list_outputs, preferences
from monitor.checks.protocols import BaselineData, BucketData, WindowData
from monitor.config.checks.base import CheckConfig, MeasuredConfig
from monitor.config.models import Monitor

ConfigT_co = TypeVar("ConfigT_co", bound=CheckConfig, covariant=True)
MeasuredT_co = TypeVar("MeasuredT_co", bound=MeasuredConfig, covariant=True)
Layouts = Mapping[str, Binning]
Profiles = Mapping[str, Profile]


@dataclass(frozen=True)
class CheckTarget:
    """A detector that is run on a column, with the settings of its check.

    ``late``: whether it measures the window with complete labels. ``better``: the direction in which the column
    improves. ``owner``: its check. ``is_input``: whether the column is an input of the model.
    """

    check: str
    detector: Detector
    column: str
    threshold: float | None
    min_samples: int
    segments: bool
    late: bool = False
    better: Preference | None = None
    owner: ColumnCheck[MeasuredConfig] | None = None
    is_input: bool = False

    @property
    def about(self) -> About:
        """Return what its findings are about."""
        return "inputs" if self.is_input and self.detector.about == "model" else self.detector.about

    def finding(self, segment: str | None, reason: str = "") -> Finding:
        """Return an inconclusive finding of this target."""
        unit, status = self.detector.unit, Status.INCONCLUSIVE
        return Finding(
            self.check, self.column, self.detector.name, segment, status, reason, unit=unit, about=self.about
        )

    def complete(self, finding: Finding, direction: Direction) -> Finding:
        """Add to a finding what the target knows; the reason states if a drifted finding is an improvement."""
        improved = finding.status is Status.DRIFTED and direction == "better"
        reason = finding.reason + ", an improvement" * improved
        return replace(finding, check=self.check, about=self.about, direction=direction, reason=reason)

    def improves(self, baseline: Counted, window: Counted) -> np.ndarray:
        """Return whether the change is an improvement, elementwise for a stack of windows; False for pure defects."""
        if self.detector.check in ("drift", "range"):
            return has_improved(self.better, baseline, window)
        if self.detector is RISE:
            return is_improvement(self.better, window.mean - baseline.mean)
        return np.zeros(np.shape(window.n), dtype=bool)

    def direction(self, baseline: Profile, window: Profile) -> Direction:
        """Return the direction of the change of a window."""
        return infer_direction(self.better, self.improves(baseline, window))


def missing_column(stated: Finding, baseline: Profile | None) -> Finding:
    """Return the finding of a column that is missing from the baseline or the window."""
    side = "baseline" if baseline is None else "window"
    return replace(stated, reason=f"missing_column: the {side} has no column {stated.column!r}")


class Check(Generic[ConfigT_co]):
    """A check of a monitor. Kinds override any of `targets`, `evaluate` and `evaluate_bucket`, which are pure.

    Parameters
    ----------
    config
        Settings, an instance of `Config`.
    monitor
        The monitor of the check.
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
        """Yield the targets: each a detector on a column.

        Parameters
        ----------
        layouts
            Bins of the columns of the baseline.
        profiles
            Profiles of all rows of the baseline, by column; empty if they are not loaded.
        """
        yield from ()

    def evaluate(self, baseline: BaselineData, window: WindowData) -> Iterator[Finding]:
        """Yield the findings of a window other than those of the targets."""
        yield from ()

    def evaluate_bucket(self, bucket: BucketData) -> Iterator[Finding]:
        """Yield the findings of a bucket that need no baseline."""
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
        """Return whether a detector measures the window that ended `labels_after` ago."""
        return False

    def complete(self, finding: Finding, target: CheckTarget, baseline: BaselineData, window: WindowData) -> Finding:
        """Add details of the kind to a finding of one of its targets."""
        return finding

    def targets(self, layouts: Layouts, profiles: Profiles) -> Iterator[CheckTarget]:
        """Yield the targets: each a detector on a column."""
        config, better, outputs = self.config, preferences(self.monitor), list_outputs(self.monitor)
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
                    self,
                    column not in outputs,
                )


def by_bucket(layout: Binning | None) -> list[Detector]:
    """Return the sequential detectors, which evaluate bucket by bucket, of a rate or a duration."""
    return [RATE_CUSUM] if layout and layout.kind in RATE_CUSUM.kinds else []
