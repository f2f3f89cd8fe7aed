"""Count the rows of a column by bin: of the baseline, of each bucket, and of each segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from detectors.base import Finding
from detectors.binning import COUNTED, Binning
from detectors.joint import JOINT
from detectors.label_shift import count_classes
from detectors.profile import Profile
from detectors.split_attribution import measure_departure
from monitor.checks.baseline import Baseline
from monitor.checks.window import BucketSummary, Window
from monitor.checks.window_comparison import choose_reference
from monitor.config.models import Monitor

ColumnProfiles = Mapping[str | None, Profile]


@dataclass(frozen=True)
class ColumnCounts:
    """Rows of a column by bin; the last bin are rows without a usable value.

    Parameters
    ----------
    starts, parts
        Start and counts of each bucket that has rows.
    segments
        Counts of the baseline and of each bucket, by segment.
    sides
        Counts of the baseline and of the window that are compared: of the segment of the finding, if it has one.
    """

    column: str
    ordered: bool
    starts: Sequence[datetime]
    baseline: np.ndarray
    parts: Sequence[np.ndarray]
    segments: Mapping[str, Sequence[np.ndarray]]
    sides: tuple[np.ndarray, np.ndarray]

    @property
    def balance(self) -> float:
        """Return the weight of the rows of the baseline, with which they count as much as those of the window."""
        return float(sum(part.sum() for part in self.parts)) / max(1.0, float(self.baseline.sum()))

    @classmethod
    def of(cls, monitor: Monitor, baseline: Baseline, window: Window, finding: Finding) -> ColumnCounts | None:
        """Count the rows of the column of a finding; None if its profile counts no rows by value."""
        column = str(finding.column)
        if column == JOINT:
            column = _find_departed(monitor, baseline, window)
        if column not in baseline.layouts:
            return None
        before = baseline.within(column, window.starts)
        old = choose_reference(monitor, before, None)
        parts = [(start, part) for start, part in zip(window.starts, window.parts, strict=False) if part.facts.rows]
        profiles = [find_profile(part, None, column) for _, part in parts]
        if old is None or not old.n or len(parts) < 2 or None in profiles or not _has_rows(old.layout):  # noqa: PLR2004
            return None
        rows = [count_rows(profile) for profile in profiles if profile is not None]
        segments = {}
        for name in sorted({str(name) for _, part in parts for name in part.profiles if name is not None}):
            cells = [before.get(name), *(find_profile(part, name, column) for _, part in parts)]
            segments[name] = [count_like(cell, old) for cell in cells]
        sides = _count_segment(finding, before, window, column) or (count_rows(old), np.sum(rows, axis=0))
        ordered = old.layout.kind == "numeric"
        return cls(column, ordered, [start for start, _ in parts], count_rows(old), rows, segments, sides)


def _has_rows(layout: Binning) -> bool:
    return layout.kind in (*COUNTED, "scores")


def _find_departed(monitor: Monitor, baseline: Baseline, window: Window) -> str:
    """Return the column that departs most from the baseline; empty if there is none."""
    departures = {"": 0.0}
    for column, new in window.profiles.get(None, {}).items():
        if column not in baseline.layouts or new.layout.kind not in COUNTED:
            continue
        old = choose_reference(monitor, baseline.within(column, window.starts), None)
        if old is not None and old.n and new.n:
            ordered = new.layout.kind == "numeric"
            departures[column] = measure_departure(count_rows(old), count_rows(new), ordered=ordered)
    return max(departures, key=lambda column: departures[column])


def count_rows(profile: Profile) -> np.ndarray:
    """Return the rows of each bin, and those without a usable value; of scores with labels: right, wrong, no label."""
    if profile.layout.kind == "scores":
        classes, layout = count_classes(profile.counts, profile.layout), profile.layout
        accepted = np.append(-np.inf, layout.edges) >= layout.origin
        right = classes[accepted, 1].sum() + classes[~accepted, 0].sum()
        labelled = classes.sum()
        return np.array([right, labelled - right, max(0.0, profile.rows - labelled)])
    return np.append(profile.counts, profile.rows - profile.n).astype(np.float64)


def count_like(profile: Profile | None, like: Profile) -> np.ndarray:
    """Return the rows of each bin; zeros without a profile."""
    return np.zeros(len(count_rows(like))) if profile is None else count_rows(profile)


def find_profile(part: BucketSummary, segment: str | None, column: str) -> Profile | None:
    """Return the profile of a column and segment in a bucket, if there is one."""
    columns: Mapping[str, Profile] = part.profiles.get(segment, {})
    return columns.get(column)


def _count_segment(
    finding: Finding, before: ColumnProfiles, window: Window, column: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the counts of a finding's own segment in the baseline and in the window; None if it has none."""
    new = window.profiles.get(finding.segment, {}).get(column)
    old = before.get(finding.segment, before.get(None))
    if finding.segment is None or new is None or old is None:
        return None
    return count_rows(old), count_rows(new)
