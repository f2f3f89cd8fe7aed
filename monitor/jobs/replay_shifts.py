"""Differences between the windows of a range and the last announced window of an incident. Pure."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from detectors.base import Finding, sample_size
from detectors.quality.traffic import Traffic
from monitor.alerting.change_point import Plateau, compare, expand_plateau, shift_findings
from monitor.checks.baseline import Baseline
from monitor.checks.window import Window
from monitor.checks.window_comparison import choose_reference
from monitor.config.models import Monitor
from monitor.jobs.replay_references import References
from monitor.profiling.timeline import Timeline

BLOCK = 96
"""Windows that are compared with a plateau at once: enough for speed, and few enough for short incidents."""


class PlateauComparison:
    """Compares the windows of a range with plateaus, the last announced windows, a block of windows at a time."""

    def __init__(self, monitor: Monitor, baseline: Baseline, timeline: Timeline) -> None:
        self._references = References(monitor, baseline, timeline)
        self._monitor, self._timeline = monitor, timeline
        self._series = dict(timeline.series())
        self._findings: dict[tuple[datetime, int], list[list[Finding]]] = {}

    def moved(self, plateaus: dict[datetime, Plateau], since: datetime, end: datetime) -> list[Finding]:
        """Return the findings of `plateau.moved` for the window that ends at ``end``; store a complete plateau."""
        whole = since + self._monitor.window
        if end < whole:
            return []
        if since not in plateaus:
            first = self.window(whole)
            plateaus[since] = Plateau(first.profiles, first.starts)
        if end == whole:
            return []
        place = self._place(end)
        block = place // BLOCK
        if (since, block) not in self._findings:
            self._findings[since, block] = self._block(plateaus[since], block)
        return self._findings[since, block][place - block * BLOCK]

    def _place(self, end: datetime) -> int:
        return (end - self._timeline.start) // self._timeline.step - 1

    def baseline_at(self, end: datetime) -> Baseline:
        """Return the reference of the window that ends at ``end``."""
        return self._references.at(self._place(end))

    def window(self, end: datetime) -> Window:
        """Return the window that ends at ``end``, with its sums and without its traffic."""
        place = self._place(end)
        inside = np.arange(place - self._timeline.length + 1, place + 1)
        return Window(self._timeline.profiles(inside), Traffic(), self._references.starts(place), end=end)

    def _block(self, plateau: Plateau, block: int) -> list[list[Finding]]:
        """Measure a block of windows; windows with the same reference are measured at once."""
        first = max(block * BLOCK, self._timeline.first)
        places = np.arange(first, min((block + 1) * BLOCK, self._timeline.steps))
        findings: list[list[Finding]] = [[] for _ in range(BLOCK)]
        for one in expand_plateau(self._monitor, self._references.baseline, plateau):
            target, segment = one.target, one.segment
            stack = self._series.get((segment, target.column))
            if stack is None:
                continue
            inside = np.arange(first - self._timeline.length + 1, places[-1] + 1)
            windows = stack.take(inside).windows(self._timeline.length).take(places - inside[0])
            enough = sample_size(target.detector, windows) >= target.min_samples
            for group in self._references.alike(target.column, places[enough]):
                baseline = self._references.at(int(group[0]))
                now = choose_reference(self._monitor, self._references.before(target.column, group), segment)
                moves = compare(self._monitor, baseline, plateau, one, now, windows.take(group - first))
                if moves is None:
                    continue
                for at, finding in zip(group.tolist(), shift_findings(one, moves), strict=True):
                    findings[at - block * BLOCK] += [] if finding is None else [finding]
        return findings
