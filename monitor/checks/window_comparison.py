"""Pair each column and segment of a window with its profile in the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from detectors import Finding, Profile
from detectors.stack import Counted
from monitor.checks.base import CheckTarget
from monitor.checks.baseline import Baseline
from monitor.checks.targets import expand_checks
from monitor.checks.window import Window
from monitor.config.models import Monitor

Sides = tuple[Profile | None, Profile | None]
"""Profiles of a column in the baseline and in the window."""


@dataclass(frozen=True)
class WindowComparison:
    """A window of a monitor and the baseline that it is compared with."""

    monitor: Monitor
    baseline: Baseline
    window: Window

    @cached_property
    def segments(self) -> list[str]:
        """The segments of the window that are measured."""
        return largest_segments(self.monitor, self.window.profiles)

    @cached_property
    def noise_factors(self) -> dict[str | None, float]:
        """Factor by which clustering of rows by client increases the noise, by segment."""
        return {segment: self.window.noise_factor(self.baseline, segment) for segment in [None, *self.segments]}

    @cached_property
    def _before(self) -> dict[str, Mapping[str | None, Profile]]:
        return {}

    def before(self, column: str) -> Mapping[str | None, Profile]:
        """Return the profiles that a column is compared with, by segment."""
        if column not in self._before:
            self._before[column] = self.baseline.within(column, self.window.starts)
        return self._before[column]

    def targets(self) -> list[CheckTarget]:
        """Return the targets that are measured in this process, grouped by column."""
        baseline = self.baseline
        by_column: dict[str, list[CheckTarget]] = {}
        for target in expand_checks(self.monitor, baseline.layouts, baseline.profiles.get(None)):
            by_column.setdefault(target.column, []).append(target)
        return [target for targets in by_column.values() for target in targets]

    def list_segments(self, target: CheckTarget) -> Sequence[str | None]:
        """Return the segments of a target; None is all rows."""
        return [None, *(self.segments if target.segments else [])]

    def reference(self, finding: Finding) -> Profile | None:
        """Return the profile that the column and segment of a finding are compared with."""
        return choose_reference(self.monitor, self.before(str(finding.column)), finding.segment)

    def after(self, finding: Finding) -> Mapping[str | None, Profile]:
        """Return the profiles of the window of a finding, by segment."""
        column = str(finding.column)
        late = (finding.check, finding.column, finding.method) in self._late
        profiles = self.window.labelled if late else self.window.profiles
        return {segment: columns[column] for segment, columns in profiles.items() if column in columns}

    @cached_property
    def _late(self) -> set[tuple[str, str | None, str]]:
        """Check, column and method of the targets that wait for labels."""
        return {(target.check, target.column, target.detector.name) for target in self.targets() if target.late}

    def sides(self, target: CheckTarget, segment: str | None) -> Sides:
        """Return the profiles that a target compares."""
        profiles = self.window.labelled if target.late else self.window.profiles
        old = choose_reference(self.monitor, self.before(target.column), segment)
        return old, profiles.get(segment, {}).get(target.column)


def choose_reference(monitor: Monitor, before: Mapping[str | None, Profile], segment: str | None) -> Profile | None:
    """Return the baseline of a segment: its own profile, or that of all traffic if it has too few rows.

    With `baseline.previous:` the profile of all traffic is not used, since the segment may have rows at other times.
    """
    own = before.get(segment)
    if own is not None and (own.rows >= monitor.min_samples or monitor.baseline.previous):
        return own
    return None if monitor.baseline.previous else before.get(None)


def largest_segments(monitor: Monitor, profiles: Mapping[str | None, Mapping[str, Counted]]) -> list[str]:
    """Return the largest segments of each segment column, at most `max_segments:` each, ties by name."""
    chosen: list[str] = []
    for column in monitor.segments:
        sizes = {
            segment: max((int(profile.rows) for profile in columns.values()), default=0)
            for segment, columns in profiles.items()
            if segment is not None and segment.startswith(f"{column}=")
        }
        ranked: Sequence[str] = sorted(sizes, key=lambda segment: (-sizes[segment], segment))
        chosen += ranked[: monitor.max_segments]
    return chosen
