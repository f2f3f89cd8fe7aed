"""Cross-validation on a baseline: each window with the rest of the baseline that it is compared with."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from detectors import Stack
from detectors.season import SEASONS, possible
from detectors.stack import sliding
from monitor.profiling.clients import noise_factor, usual_clients
from monitor.profiling.timeline import Timeline

FOLD = timedelta(days=1)
FEWEST_FOLDS = 5
PREVIOUS = "previous"
"""Used as the name of a season if each window is compared with the range just before it."""


@dataclass(frozen=True)
class WindowGroup:
    """Windows that are compared with the same steps: the slots of a season without an excluded range."""

    windows: np.ndarray
    without: slice
    rest: np.ndarray


class HeldOutWindows:
    """The windows of a baseline, each held out and compared with the rest of the baseline."""

    def __init__(self, timeline: Timeline, previous: timedelta | None = None) -> None:
        self.timeline = timeline
        self.previous = previous or timedelta(0)
        self.weeks = max(timeline.weeks - self.previous / timedelta(weeks=1), timeline.step / timedelta(weeks=1))
        self.length = timeline.length
        size = max(round(FOLD / timeline.step), 2 * self.length)
        count = max(FEWEST_FOLDS, timeline.steps // size)
        self.edges = np.linspace(0, timeline.steps, count + 1).astype(int)
        self.slots = {season: SEASONS[season].slot(timeline.seconds()) for season in possible(self._seconds())}
        self._groups: dict[str, list[WindowGroup]] = {}
        self._sums: tuple[Stack | None, dict[int | None, Stack]] = None, {}
        self.whole = sliding(timeline.is_complete, self.length) == self.length
        self._clients = timeline.client_windows()
        self.usual = usual_clients({name: windows[self.whole] for name, windows in self._clients.items()})

    def noise_factor(self, segment: str | None) -> np.ndarray:
        """Return the factor by which clustering of rows by client increases the noise of each window."""
        return np.broadcast_to(noise_factor(self._clients, self.usual, segment), self.timeline.steps)

    def _seconds(self) -> float:
        return self.timeline.steps * self.timeline.step.total_seconds()

    def groups(self, season: str) -> list[WindowGroup]:
        """Return the windows of each fold, grouped by the slots that they touch."""
        if season not in self._groups:
            folds = itertools.pairwise(self.edges.tolist())
            groups = self._before() if season == PREVIOUS else (g for fold in folds for g in self._fold(season, fold))
            self._groups[season] = list(groups)
        return self._groups[season]

    def _before(self) -> Iterator[WindowGroup]:
        """Yield groups of windows with the same preceding range, which ends on a multiple of the window length."""
        seconds, step = self.timeline.seconds(), self.timeline.step.total_seconds()
        window = round(self.length * step)
        ends = np.flatnonzero(self.whole)
        cuts = seconds[ends - self.length + 1] // window * window
        for cut in np.unique(cuts).tolist():
            first = cut - self.previous.total_seconds()
            if first >= seconds[0]:
                rest = np.flatnonzero((seconds >= first) & (seconds + step <= cut))
                yield WindowGroup(ends[cuts == cut], slice(0), rest)

    def _fold(self, season: str, fold: tuple[int, int]) -> Iterator[WindowGroup]:
        first, last = fold
        without = slice(max(0, first - self.length + 1), last + self.length - 1)
        outside = np.delete(np.arange(self.timeline.steps), without)
        slots, touching = self.slots[season], defaultdict(list)
        for end in range(first, last):
            if self.whole[end]:
                touching[tuple(sorted(set(slots[end - self.length + 1 : end + 1].tolist())))].append(end)
        for touched, ends in touching.items():
            yield WindowGroup(np.array(ends), without, outside[np.isin(slots[outside], touched)])

    def rest(self, stack: Stack, group: WindowGroup) -> Stack:
        """Return the sum of the steps that the windows of a group are compared with."""
        return self._once(stack, id(group), lambda: stack.take(group.rest).sum())

    def windows(self, stack: Stack) -> Stack:
        """Return every window of a series."""
        return self._once(stack, None, lambda: stack.windows(self.length))

    def _once(self, stack: Stack, key: int | None, make: Callable[[], Stack]) -> Stack:
        """Cache a sum for all detectors of the current series."""
        last, sums = self._sums
        if stack is not last:
            sums = {}
            self._sums = stack, sums
        if key not in sums:
            sums[key] = make()
        return sums[key]
