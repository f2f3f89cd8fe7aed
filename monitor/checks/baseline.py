"""Baseline: the frozen profiles that windows are compared with, their bins, and their calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from detectors.binning import LABELLED, Binning
from detectors.profile import Profile, samples
from detectors.quality.traffic import Gaps, Traffic
from detectors.season import SEASONS
from monitor.checks.baseline_review import Review
from monitor.checks.calibration import Calibration, SlotProfiles
from monitor.config.models import Monitor
from monitor.core.schedule import floor


def previous_stretch(monitor: Monitor, length: timedelta, window_start: datetime) -> tuple[datetime, datetime]:
    """Return the range before a window, for `baseline.previous:`; it ends on a multiple of the window length."""
    end = floor(window_start, monitor.window)
    return end - length, end


@dataclass(frozen=True)
class Baseline:
    """A frozen reference that windows are compared with.

    ``profiles`` are by segment and column, and samples if rows have weights. ``previous`` are the profiles of the range
    just before the window, with `baseline.previous:`.
    """

    id: int
    layout: str
    layouts: Mapping[str, Binning]
    profiles: Mapping[str | None, Mapping[str, Profile]]
    traffic: Traffic
    rows: int
    start: datetime | None = None
    end: datetime | None = None
    state: str = "active"
    facts: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration = Calibration()
    slots: SlotProfiles = field(default_factory=dict)
    previous: Mapping[str | None, Mapping[str, Profile]] | None = None

    def __post_init__(self) -> None:
        """Convert profiles of weighted rows to samples."""
        object.__setattr__(self, "profiles", samples(self.profiles))
        if self.previous is not None:
            object.__setattr__(self, "previous", samples(self.previous))

    def within(self, column: str, starts: Sequence[datetime]) -> Mapping[str | None, Profile]:
        """Return the profiles that a column of a window is compared with, by segment.

        These are the whole baseline, the slots of its season, or the range before the window. Joint profiles of
        predictions and labels are never compared with the range before the window, since labels arrive late.
        """
        if self.previous is not None and self.layouts[column].kind not in LABELLED:
            return _of_column(self.previous, column)
        season = self.calibration.seasons.get(column)
        if season is None or season not in self.slots:
            return _of_column(self.profiles, column)
        seconds = np.array([int(start.timestamp()) for start in starts], dtype=np.int64)
        touched = sorted(set(SEASONS[season].slot(seconds).tolist()))
        parts = [self.slots[season][slot] for slot in touched if slot in self.slots[season]]
        summed: dict[str | None, Profile] = {}
        for part in parts:
            for segment, columns in part.items():
                if column in columns:
                    profiles = summed.get(segment)
                    summed[segment] = columns[column] if profiles is None else profiles + columns[column]
        return summed

    @property
    def standing(self) -> tuple[int, str, str]:
        """Return a key that identifies the baseline and its calibration."""
        return self.id, self.state, self.calibration.definition

    def gaps(self, monitor: Monitor) -> Gaps:
        """Return the longest gaps in the baseline without rows and with too few rows."""
        return Gaps.of(self.traffic.bucket_rows, monitor.window // monitor.bucket, monitor.min_samples)

    @property
    def review(self) -> Review | None:
        """Return the review of the range; None if it was not reviewed."""
        return Review.from_json(self.facts.get("review"))


def _of_column(profiles: Mapping[str | None, Mapping[str, Profile]], column: str) -> dict[str | None, Profile]:
    return {segment: columns[column] for segment, columns in profiles.items() if column in columns}
