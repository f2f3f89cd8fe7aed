"""Timeline: a baseline's buckets side by side, in bounded memory: what thresholds are calibrated on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

import numpy as np

from detectors.binning import SUMMED, Binning
from detectors.clusters import COUNTERS
from detectors.performance.rates import signal_behind
from detectors.profile import Profile
from detectors.stack import Stack, sliding
from monitor.config.models import Monitor

MOST_STEPS = 8064
MOST_BYTES = 256 * 1024 * 1024
STEPS_A_WINDOW = 4

Series = tuple[str | None, str]
"""Segment (None for all rows) and column."""


class Timeline:
    """Counts of every series over regular steps, a step being one bucket or a few.

    Series of segments beyond 256 MiB are left out; those of all rows never are.

    Parameters
    ----------
    start, step, steps
        Where the first step begins, how long each is, and how many there are.
    length
        Steps of a window.
    first
        The step with which the first window ends that is judged; by default the first whole one.
    """

    def __init__(
        self,
        layouts: Mapping[str, Binning],
        start: datetime,
        step: timedelta,
        steps: int,
        length: int,
        first: int | None = None,
    ) -> None:
        self.start, self.step, self.steps, self.length = start, step, steps, length
        self.first = length - 1 if first is None else first
        self.end = start + steps * step
        self.rows = np.zeros(steps, dtype=np.int64)
        self.is_complete = np.zeros(steps, dtype=bool)
        self.clients: dict[str, np.ndarray] = {}
        self.left_out: set[Series] = set()
        self._layouts = layouts
        self._series: dict[Series, Stack] = {}
        self._bytes = 0
        self._carry: dict[Series, np.ndarray] = {}

    @classmethod
    def of_baseline(cls, monitor: Monitor, layouts: Mapping[str, Binning], start: datetime, end: datetime) -> Timeline:
        """Lay out a baseline: more than 8,064 buckets in coarser steps, at least four a window.

        What is still too long loses its oldest part.
        """
        buckets = (end - start) // monitor.bucket
        window = monitor.window // monitor.bucket
        coarser = min(-(-buckets // MOST_STEPS), max(1, window // STEPS_A_WINDOW))
        while window % coarser:
            coarser -= 1
        steps = min(buckets // coarser, MOST_STEPS)
        step = coarser * monitor.bucket
        return cls(layouts, end - steps * step, step, steps, window // coarser)

    @classmethod
    def of_stretch(
        cls,
        monitor: Monitor,
        layouts: Mapping[str, Binning],
        start: datetime,
        end: datetime,
        first: datetime | None = None,
    ) -> Timeline:
        """Lay out a stretch bucket by bucket; ``first`` is the start of the first bucket that is judged."""
        bucket = monitor.bucket
        place = None if first is None else (first - start) // bucket
        return cls(layouts, start, bucket, (end - start) // bucket, monitor.window // bucket, place)

    @property
    def weeks(self) -> float:
        """Length in weeks, steps that were left out not counted."""
        return float(self.is_complete.sum() * (self.step / timedelta(weeks=1)))

    def seconds(self) -> np.ndarray:
        """Return the start of every step in seconds since 1970, int64 of shape (steps,)."""
        first = int(self.start.timestamp())
        return first + int(self.step.total_seconds()) * np.arange(self.steps, dtype=np.int64)

    def add(
        self,
        at: datetime,
        rows: int,
        profiles: Mapping[str | None, Mapping[str, Profile]],
        clients: Mapping[str, Sequence[int]] = MappingProxyType({}),
    ) -> None:
        """Put one bucket in its place, with its clients; what lies before the first step is passed over."""
        place = (at - self.start) // self.step
        if not 0 <= place < self.steps:
            return
        self.rows[place] += rows
        self.is_complete[place] = True
        for name, sketch in clients.items():
            self.clients.setdefault(name, np.zeros((self.steps, COUNTERS + 1), dtype=np.int64))[place] += sketch
        for segment, columns in profiles.items():
            for column, profile in columns.items():
                if signal_behind(column) is not None:
                    continue  # it is shown beside a finding, and no threshold depends on it
                stack = self._stack((segment, column))
                if stack is not None and (profile.weighted is None or profile.layout.kind in SUMMED):
                    _put(stack, place, profile.sample())
                elif stack is not None:
                    self._put_sample(stack, place, profile, (segment, column))

    def client_windows(self) -> dict[str, np.ndarray]:
        """Return the sketches of the clients of every window by column, each int64 of shape (steps, counters)."""
        return {name: sliding(sketches, self.length) for name, sketches in self.clients.items()}

    def series(self) -> Iterator[tuple[Series, Stack]]:
        """Yield every series, those of all rows first."""
        for key in sorted(self._series, key=lambda key: (key[0] is not None, key[0] or "", key[1])):
            yield key, self._series[key]

    def profiles(self, inside: np.ndarray) -> dict[str | None, dict[str, Profile]]:
        """Return the sum of some steps, by segment and column."""
        profiles: dict[str | None, dict[str, Profile]] = {}
        for (segment, column), stack in self._series.items():
            profiles.setdefault(segment, {})[column] = stack.take(inside).sum().profile()
        return profiles

    def places(self, start: datetime, end: datetime) -> np.ndarray:
        """Return the steps that lie wholly in a stretch."""
        seconds = self.seconds()
        return np.flatnonzero((seconds >= start.timestamp()) & (seconds + self.step.total_seconds() <= end.timestamp()))

    def _put_sample(self, stack: Stack, place: int, profile: Profile, key: Series) -> None:
        """Put the sample of a profile with weights in its place.

        Counts are whole. What rounding leaves is carried to the next bucket, so that the counts of a run of buckets are
        less than one off, and a rare value is not lost.
        """
        counts, total, squares = profile.effective()
        exact = counts + self._carry.get(key, 0.0)
        whole = np.maximum(np.rint(exact), 0.0)
        self._carry[key] = exact - whole
        stack.counts[place] += whole[:-3].astype(np.int64)
        missing, nonfinite, mistyped = whole[-3:].astype(np.int64)
        stack.missing[place] += missing
        stack.nonfinite[place] += nonfinite
        stack.mistyped[place] += mistyped
        usable = counts[:-3].sum()
        scale = whole[:-3].sum() / usable if usable > 0 else 0.0  # keeps the mean
        stack.total[place] += total * scale
        stack.squares[place] += squares * scale

    def _stack(self, key: Series) -> Stack | None:
        if key in self._series:
            return self._series[key]
        layout = self._layouts[key[1]]
        size = self.steps * (layout.bins + 5) * 8
        if key in self.left_out or (key[0] is not None and self._bytes + size > MOST_BYTES):
            self.left_out.add(key)
            return None
        self._bytes += size
        self._series[key] = Stack.empty(layout, self.steps)
        return self._series[key]


def _put(stack: Stack, place: int, profile: Profile) -> None:
    stack.counts[place] += profile.counts
    stack.missing[place] += profile.missing
    stack.nonfinite[place] += profile.nonfinite
    stack.mistyped[place] += profile.mistyped
    stack.total[place] += float(profile.total)
    stack.squares[place] += float(profile.squares)
