"""Replay: the findings of a whole stretch of buckets at once, as `detect` would have found them one by one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from detectors.base import Finding, Measurement, Status, describe_comparison, effective_threshold
from detectors.binning import LABELLED
from detectors.direction import infer_direction, is_improvement
from detectors.profile import Profile
from detectors.quality.traffic import Traffic
from detectors.season import ALL_TIMES, SEASONS
from detectors.sequential import Sequential, State
from detectors.stack import Counted, Stack
from monitor.alerting.change_point import Plateau, compare, expand_plateau, shift_findings
from monitor.checks.base import CheckTarget
from monitor.checks.baseline import Baseline, previous_stretch
from monitor.checks.quality import RecordQuality
from monitor.checks.registry import make_checks
from monitor.checks.targets import expand_checks
from monitor.checks.window import Window
from monitor.checks.window_comparison import choose_reference
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket
from monitor.profiling.clients import noise_factor
from monitor.profiling.timeline import Timeline

BLOCK = 96
"""Windows that are compared with a plateau at once: many enough for speed, few enough for an incident that is short."""
NEAR = 0.5
"""Findings below this share of their threshold cannot matter to a rule; they are not spelt out."""


class References:
    """What each window of a stretch is compared with: the baseline, or what lies before the window."""

    def __init__(self, monitor: Monitor, baseline: Baseline, timeline: Timeline) -> None:
        self.monitor, self.baseline, self.timeline = monitor, baseline, timeline
        self._before: dict[datetime, Baseline] = {}

    def at(self, place: int) -> Baseline:
        """Return what the window that ends with a step is compared with."""
        if self.monitor.baseline.previous is None:
            return self.baseline
        start, end = self._stretch(place, self.monitor.baseline.previous)
        if end not in self._before:
            before = self.timeline.profiles(self.timeline.places(start, end))
            self._before[end] = replace(self.baseline, previous=before)
        return self._before[end]

    def before(self, column: str, places: np.ndarray) -> Mapping[str | None, Profile]:
        """Return what the windows that end at these places are compared with, which is the same for all of them."""
        place = int(places[0])
        return self.at(place).within(column, self.starts(place))

    def alike(self, column: str, ends: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the ends of windows that are compared with the same part of the baseline, or the same stretch."""
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
        """Return for each window what stands for its reference; None where all have the same."""
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


@dataclass
class _Found:
    """What is found of each bucket of a stretch."""

    near: list[list[Finding]]
    measured: np.ndarray


def replay(
    monitor: Monitor, baseline: Baseline, timeline: Timeline, sums: dict[str, State]
) -> Iterator[tuple[Bucket, list[Finding], bool]]:
    """Yield every bucket whose window is whole, what came near its threshold, and whether anything was measured.

    Parameters
    ----------
    timeline
        Buckets of the stretch, with the rest of the first window before it.
    sums
        What sequential detectors remembered before the stretch, by finding key; moved on to its end.
    """
    found = _Found([[] for _ in range(timeline.steps)], np.zeros(timeline.steps, dtype=bool))
    clients = timeline.client_windows()
    references = References(monitor, baseline, timeline)
    for question in expand_checks(monitor, baseline.layouts, baseline.profiles.get(None)):
        for (segment, column), stack in timeline.series():
            if column == question.column and (segment is None or question.segments):
                factor = noise_factor({} if question.late else clients, baseline.calibration.clients, segment)
                _ask(references, question, segment, stack, factor, found, sums)
    of_records = [check for check in make_checks(monitor) if isinstance(check, RecordQuality)]
    for place in range(timeline.first, timeline.steps):
        start = timeline.start + place * timeline.step
        findings = [*found.near[place], *_traffic_findings(of_records, baseline, timeline, place)]
        yield Bucket(start, start + timeline.step), findings, bool(found.measured[place])


def _ask(
    references: References,
    question: CheckTarget,
    segment: str | None,
    stack: Stack,
    factor: np.ndarray,
    found: _Found,
    sums: dict[str, State],
) -> None:
    monitor, timeline = references.monitor, references.timeline
    if isinstance(question.detector, Sequential):
        seen, improved = _accumulate(references, question, question.detector, segment, stack, factor, sums)
        _note(references.baseline, question, segment, seen, improved, found)
        return
    sides = stack.windows(timeline.length)
    first, second = np.full((2, timeline.steps), np.nan)
    improved = np.zeros(timeline.steps, dtype=bool)
    for places in references.alike(question.column, np.arange(timeline.first, timeline.steps)):
        old = choose_reference(monitor, references.before(question.column, places), segment)
        if old is None or _size(question, old) < question.min_samples:
            continue
        enough = places[_size(question, sides)[places] >= question.min_samples]
        if len(enough):
            seen = question.detector.measure(old, sides.take(enough))
            first[enough], second[enough] = seen.statistic, seen.noise
            improved[enough] = question.improves(old, sides.take(enough))
    _note(references.baseline, question, segment, Measurement(first, second * factor), improved, found)


def _accumulate(
    references: References,
    question: CheckTarget,
    detector: Sequential,
    segment: str | None,
    stack: Stack,
    factor: np.ndarray,
    sums: dict[str, State],
) -> tuple[Measurement, np.ndarray]:
    """Add the buckets to what is remembered, each scored against its part of the baseline."""
    timeline = references.timeline
    scores: np.ndarray | None = None
    for places in references.alike(question.column, np.arange(timeline.first, timeline.steps)):
        old = references.before(question.column, places).get(segment)
        enough = places[stack.n[places] >= detector.fewest]
        if old is None or old.n < question.min_samples or not len(enough):
            continue
        seen = detector.score(old, stack.take(enough))
        scores = np.full((timeline.steps, seen.shape[-1]), np.nan) if scores is None else scores
        scores[enough] = seen
    if scores is None:
        return Measurement(*np.full((2, timeline.steps), np.nan)), np.zeros(timeline.steps, dtype=bool)
    key = question.finding(segment).key
    course = detector.fold(detector.thin(scores, factor), sums.get(key, {}))
    sums[key] = course.state
    return Measurement(course.statistic, course.noise), is_improvement(question.better, course.lean)


def _size(question: CheckTarget, side: Counted) -> Any:  # noqa: ANN401
    return side.n if question.detector.counts == "usable" else side.rows


def _note(
    baseline: Baseline,
    question: CheckTarget,
    segment: str | None,
    seen: Measurement,
    improved: np.ndarray,
    found: _Found,
) -> None:
    """Spell out what comes near its threshold."""
    detector, stated = question.detector, question.finding(segment)
    calibrated = None if question.threshold is not None else baseline.calibration.of(stated)
    bound = np.broadcast_to(effective_threshold(detector, seen, question.threshold, calibrated), seen.statistic.shape)
    found.measured |= np.isfinite(seen.statistic)
    for at in np.flatnonzero(seen.statistic >= NEAR * bound):
        value, limit = float(seen.statistic[at]), float(bound[at])
        result = replace(
            stated,
            status=Status.DRIFTED if value >= limit else Status.OK,
            reason=describe_comparison(detector, value, limit),
            statistic=value,
            threshold=limit,
            direction=infer_direction(question.better, improved[at]),
        )
        found.near[at].append(result)


class Again:
    """How the windows of a stretch differ from what people were told last, a block of windows at a time."""

    def __init__(self, monitor: Monitor, baseline: Baseline, timeline: Timeline) -> None:
        self._references = References(monitor, baseline, timeline)
        self._monitor, self._timeline = monitor, timeline
        self._series = dict(timeline.series())
        self._found: dict[tuple[datetime, int], list[list[Finding]]] = {}

    def moved(self, plateaus: dict[datetime, Plateau], since: datetime, end: datetime) -> list[Finding]:
        """Return what `plateau.moved` finds of the window that ends at ``end``; keeps the plateau when it is whole."""
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
        if (since, block) not in self._found:
            self._found[since, block] = self._block(plateaus[since], block)
        return self._found[since, block][place - block * BLOCK]

    def _place(self, end: datetime) -> int:
        return (end - self._timeline.start) // self._timeline.step - 1

    def baseline_at(self, end: datetime) -> Baseline:
        """Return what the window that ends at a moment is compared with."""
        return self._references.at(self._place(end))

    def window(self, end: datetime) -> Window:
        """Return the window that ends at ``end``, with its sums and without its traffic."""
        place = self._place(end)
        inside = np.arange(place - self._timeline.length + 1, place + 1)
        return Window(self._timeline.profiles(inside), Traffic(), self._references.starts(place), end=end)

    def _block(self, plateau: Plateau, block: int) -> list[list[Finding]]:
        """Measure a block of windows, those that share a part of the baseline at once."""
        first = max(block * BLOCK, self._timeline.first)
        places = np.arange(first, min((block + 1) * BLOCK, self._timeline.steps))
        found: list[list[Finding]] = [[] for _ in range(BLOCK)]
        for one in expand_plateau(self._monitor, self._references.baseline, plateau):
            target, segment = one.target, one.segment
            stack = self._series.get((segment, target.column))
            if stack is None:
                continue
            inside = np.arange(first - self._timeline.length + 1, places[-1] + 1)
            windows = stack.take(inside).windows(self._timeline.length).take(places - inside[0])
            enough = _size(target, windows) >= target.min_samples
            for group in self._references.alike(target.column, places[enough]):
                baseline = self._references.at(int(group[0]))
                now = choose_reference(self._monitor, self._references.before(target.column, group), segment)
                moves = compare(self._monitor, baseline, plateau, one, now, windows.take(group - first))
                if moves is None:
                    continue
                for at, finding in zip(group.tolist(), shift_findings(one, moves), strict=True):
                    found[at - block * BLOCK] += [] if finding is None else [finding]
        return found


def _traffic_findings(
    checks: Sequence[RecordQuality], baseline: Baseline, timeline: Timeline, place: int
) -> Iterator[Finding]:
    first = place - timeline.length + 1
    rows = timeline.rows[first : place + 1]
    filled = np.flatnonzero(timeline.rows[: place + 1])
    silent = None if len(filled) == 0 else float((place - filled[-1]) * timeline.step.total_seconds())
    traffic = Traffic(
        bucket_rows=tuple(rows.tolist()),
        bucket_seconds=timeline.step.total_seconds(),
        schema=baseline.traffic.schema,
        seconds_since_newest=silent,
    )
    for check in checks:
        yield from check.compare(baseline, traffic)
