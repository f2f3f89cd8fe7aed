"""Timeline: the buckets of a baseline as arrays, in bounded memory, from which thresholds are calibrated."""

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
    """Counts of every series over regular steps of one or more buckets.

    Beyond 256 MiB, series of segments are omitted; those of all rows never are.

    Parameters
    ----------
    start, step, steps
        Start of the first step, length of a step, and number of steps.
    length
        Number of steps of a window.
    first
        Last step of the first window that is evaluated; by default that of the first whole window.
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
        """Return an empty timeline of a baseline; above 8,064 buckets with coarser steps, at least four per window.

        If there are still too many steps, the oldest part is omitted.
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
        """Return an empty timeline with one step per bucket; ``first`` is the start of the first evaluated bucket."""
        bucket = monitor.bucket
        place = None if first is None else (first - start) // bucket
        return cls(layouts, start, bucket, (end - start) // bucket, monitor.window // bucket, place)

    @property
    def weeks(self) -> float:
        """Length in weeks, without missing steps."""
        return float(self.is_complete.sum() * (self.step / timedelta(weeks=1)))

    def since_first_rows(self) -> Timeline:
        """Return the timeline without the whole windows before the first rows, in which the log did not exist yet."""
        rows = np.flatnonzero(self.rows)
        skipped = int(rows[0]) // self.length * self.length if len(rows) else 0
        if not skipped:
            return self
        first = max(self.first - skipped, self.length - 1)
        later = Timeline(
            self._layouts, self.start + skipped * self.step, self.step, self.steps - skipped, self.length, first
        )
        later.rows, later.is_complete = self.rows[skipped:], self.is_complete[skipped:]
        later.clients = {name: sketches[skipped:] for name, sketches in self.clients.items()}
        later.left_out, later._bytes = self.left_out, self._bytes
        later._series = {key: stack.take(np.arange(skipped, self.steps)) for key, stack in self._series.items()}
        return later

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
        """Add a bucket and the sketches of its clients; buckets outside the timeline are ignored."""
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
                    continue  # only shown with findings; no threshold depends on it
                stack = self._stack((segment, column))
                if stack is not None and (profile.weighted is None or profile.layout.kind in SUMMED):
                    _put(stack, place, profile.sample())
                elif stack is not None:
                    self._put_sample(stack, place, profile, (segment, column))

    def client_windows(self) -> dict[str, np.ndarray]:
        """Return the sketches of clients of every window by column, each int64 of shape (steps, counters)."""
        return {name: sliding(sketches, self.length) for name, sketches in self.clients.items()}

    def series(self) -> Iterator[tuple[Series, Stack]]:
        """Yield every series, those of all rows first."""
        for key in sorted(self._series, key=lambda key: (key[0] is not None, key[0] or "", key[1])):
            yield key, self._series[key]

    def profiles(self, inside: np.ndarray) -> dict[str | None, dict[str, Profile]]:
        """Return the sum of the selected steps, by segment and column."""
        profiles: dict[str | None, dict[str, Profile]] = {}
        for (segment, column), stack in self._series.items():
            profiles.setdefault(segment, {})[column] = stack.take(inside).sum().profile()
        return profiles

    def places(self, start: datetime, end: datetime) -> np.ndarray:
        """Return the steps that lie entirely in a time range."""
        seconds = self.seconds()
        return np.flatnonzero((seconds >= start.timestamp()) & (seconds + self.step.total_seconds() <= end.timestamp()))

    def _put_sample(self, stack: Stack, place: int, profile: Profile, key: Series) -> None:
        """Add the sample of a profile of weighted rows.

        Counts are integers. The rounding error is carried to the next bucket, so that the counts of a run of buckets
        are off by less than one, and rare values are not lost.
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
