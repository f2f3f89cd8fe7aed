"""References of the windows of a range. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from detectors.binning import LABELLED
from detectors.profile import Profile
from detectors.season import ALL_TIMES, SEASONS
from monitor.checks.baseline import Baseline, previous_stretch
from monitor.config.models import Monitor
from monitor.profiling.timeline import Timeline


class References:
    """Returns the reference of each window of a range: the baseline, or the stretch before the window."""

    def __init__(self, monitor: Monitor, baseline: Baseline, timeline: Timeline) -> None:
        self.monitor, self.baseline, self.timeline = monitor, baseline, timeline
        self._before: dict[datetime, Baseline] = {}

    def at(self, place: int) -> Baseline:
        """Return the reference of the window that ends with a step."""
        if self.monitor.baseline.previous is None:
            return self.baseline
        start, end = self._stretch(place, self.monitor.baseline.previous)
        if end not in self._before:
            before = self.timeline.profiles(self.timeline.places(start, end))
            self._before[end] = replace(self.baseline, previous=before)
        return self._before[end]

    def before(self, column: str, places: np.ndarray) -> Mapping[str | None, Profile]:
        """Return the common reference of the windows that end at these places."""
        place = int(places[0])
        return self.at(place).within(column, self.starts(place))

    def alike(self, column: str, ends: np.ndarray) -> Iterator[np.ndarray]:
        """Yield groups of window ends with the same reference."""
        if not len(ends):
            return
        keys = self._keys(column, ends)
        if keys is None:
            yield ends
            return
        groups: dict[object, list[int]] = {}
        for end, key in zip(ends.tolist(), keys, strict=True):
            groups.setdefault(key, []).append(end)
        yield from (np.array(places) for places in groups.values())

    def _keys(self, column: str, ends: np.ndarray) -> Sequence[object] | None:
        """Return a key of each window's reference, or None if all windows have the same."""
        previous, layout = self.monitor.baseline.previous, self.baseline.layouts.get(column)
        if previous is not None and (layout is None or layout.kind not in LABELLED):
            return [self._stretch(place, previous) for place in ends.tolist()]
        season = self.baseline.calibration.seasons.get(column, ALL_TIMES)
        if season == ALL_TIMES:
            return None
        slots, length = SEASONS[season].slot(self.timeline.seconds()), self.timeline.length
        touched = np.lib.stride_tricks.sliding_window_view(slots, length)[ends - length + 1]
        return [tuple(np.unique(inside).tolist()) for inside in touched]

    def starts(self, place: int) -> list[datetime]:
        """Return the starts of the steps of the window that ends with a step."""
        first = place - self.timeline.length + 1
        return [self.timeline.start + each * self.timeline.step for each in range(first, place + 1)]

    def _stretch(self, place: int, length: timedelta) -> tuple[datetime, datetime]:
        return previous_stretch(self.monitor, length, self.starts(place)[0])
