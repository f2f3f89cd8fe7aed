"""Learn the null distribution of every statistic, and divide the alert budget of a monitor among them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detectors import Finding
from detectors.calibrate import Peaks, RarityLimit, expected_alerts, peaks, spend
from detectors.null_distribution import NullDistribution, held_out_rarity, independent, learn_null
from detectors.unusual import find_unusual_stretch
from monitor.checks.calibration import Subject
from monitor.checks.held_out import HeldOutWindows
from monitor.config.models import Monitor
from monitor.config.rules import matches
from monitor.profiling.timeline import Timeline

HEADLINES = ("rate", "latency")
"""Checks of what harms users at once. Their columns have larger shares of the budget over all rows."""


class NullLearner:
    """Learns the null distribution of every finding, and its peaks under each rule that matches it."""

    def __init__(self, monitor: Monitor, held_out: HeldOutWindows) -> None:
        self.nulls: dict[str, NullDistribution] = {}
        self.subjects: dict[str, Subject] = {}
        self._unusual: dict[str, list[tuple[int, int]]] = {}
        self._peaks: dict[str, list[Peaks]] = {}
        self._heights: dict[str, np.ndarray] = {}
        self._monitor, self._held_out = monitor, held_out
        self._slices = [slice(first, last) for first, last in itertools.pairwise(held_out.edges.tolist())]

    def learn(
        self, finding: Finding, floor: float, statistic: np.ndarray, noise: np.ndarray, inflation: float = 1.0
    ) -> None:
        """Learn the null distribution of a statistic, without unusual periods of the baseline.

        ``inflation`` is the variance inflation by clustered rows, for statistics of events that are too rare in the
        baseline to estimate it from the statistic.
        """
        length = self._held_out.length
        stretch = find_unusual_stretch(statistic, noise, length)
        if stretch is not None:
            self._unusual.setdefault(finding.column or finding.check, []).append((stretch.start, stretch.stop))
            statistic = statistic.copy()
            statistic[stretch] = np.nan
        noise = noise * math.sqrt(inflation)
        windows = independent(statistic, length)
        null = learn_null(statistic, noise, windows)
        if null is None:
            return
        key = finding.key
        self.nulls[key] = replace(null, clusters=inflation, noise=null.noise / math.sqrt(inflation))
        self.subjects[key] = finding.check, finding.column, finding.method, finding.segment
        rarity = held_out_rarity(statistic, noise, self._slices, floor, windows)
        self._heights[key] = peaks(rarity, length)
        step = self._held_out.timeline.step
        self._peaks[key] = [
            Peaks(
                (place, finding.segment, finding.column or finding.check),
                peaks(rarity, length, rule.buckets(rule.for_, step), rule.recent_buckets(step)),
                finding.segment is None and finding.check in HEADLINES,
            )
            for place, rule in enumerate(self._monitor.rules)
            if matches(rule, finding)
        ]

    def share_budget(self) -> RarityLimit:
        """Divide the alert budget among all statistics; unusual and headline statistics have their own limits."""
        weeks = self._held_out.weeks
        spending = spend(self._peaks, self._monitor.budget_per_week, weeks)
        for key, null in self.nulls.items():
            own = spending.own.get(key)
            limit = own or spending.limit.rarity
            expected = expected_alerts(self._heights[key], limit, weeks)
            self.nulls[key] = replace(null, limit=own, expected=expected)
        return spending.limit

    def unusual_stretches(self) -> dict[str, list[tuple[str, str]]]:
        """Return the start and end, in ISO 8601, of the unusual periods of each column."""
        timeline = self._held_out.timeline
        return {column: _merge(stretches, timeline) for column, stretches in self._unusual.items()}


def _merge(stretches: Sequence[tuple[int, int]], timeline: Timeline) -> list[tuple[str, str]]:
    """Return the start and end of the periods, with overlapping ones merged."""
    joined: list[list[int]] = []
    for first, last in sorted(stretches):
        if joined and first <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], last)
        else:
            joined.append([first, last])
    return [
        ((timeline.start + first * timeline.step).isoformat(), (timeline.start + last * timeline.step).isoformat())
        for first, last in joined
    ]
