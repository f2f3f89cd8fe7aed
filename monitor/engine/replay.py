"""Replay: the findings of a whole stretch of buckets at once, as `detect` would have found them one by one. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from detectors import SEQUENTIAL, TRAFFIC_CHECKS
from detectors.base import Finding, Status, compared
from detectors.drift.cusum import FEWEST_TO_ADD, Sums, added_up, steps
from detectors.quality.traffic import Traffic
from detectors.season import ALL_TIMES, SEASONS
from detectors.stack import Counted, Stack
from monitor.config import Monitor
from monitor.engine.baseline import Baseline
from monitor.engine.checks import Asked, asked, kinds, name
from monitor.engine.detect import reference
from monitor.engine.timeline import Timeline
from monitor.schedule import Bucket

NEAR = 0.5
"""Findings below this share of their threshold cannot matter to a rule; they are not spelt out."""


@dataclass
class _Found:
    """What is found of each bucket of a stretch."""

    near: list[list[Finding]]
    measured: np.ndarray


def replay(
    monitor: Monitor, baseline: Baseline, timeline: Timeline, sums: dict[str, Sums]
) -> Iterator[tuple[Bucket, list[Finding], bool]]:
    """Yield every bucket whose window is whole, what came near its threshold, and whether anything was measured.

    Parameters
    ----------
    timeline
        Buckets of the stretch, with the rest of the first window before it.
    sums
        What sequential detectors had accumulated before the stretch, by finding key; moved on to its end.
    """
    found = _Found([[] for _ in range(timeline.steps)], np.zeros(timeline.steps, dtype=bool))
    for question in asked(monitor, baseline.layouts):
        for (segment, column), stack in timeline.series():
            if column == question.column and (segment is None or question.segments):
                _ask(monitor, baseline, timeline, question, segment, stack, found, sums)
    for place in range(timeline.length - 1, timeline.steps):
        start = timeline.start + place * timeline.step
        findings = [*found.near[place], *_of_traffic(monitor, baseline, timeline, place)]
        yield Bucket(start, start + timeline.step), findings, bool(found.measured[place])


def _ask(
    monitor: Monitor,
    baseline: Baseline,
    timeline: Timeline,
    question: Asked,
    segment: str | None,
    stack: Stack,
    found: _Found,
    sums: dict[str, Sums],
) -> None:
    adding = question.detector.name in SEQUENTIAL
    sides = stack if adding else stack.windows(timeline.length)
    first, second = np.full((2, timeline.steps), np.nan)
    for places in _alike(baseline, timeline, question.column):
        begin = int(places[0]) - timeline.length + 1
        starts = [timeline.start + place * timeline.step for place in range(begin, begin + timeline.length)]
        old = reference(monitor, baseline.within(question.column, starts), segment)
        if old is None or _size(question, old) < question.min_samples:
            continue
        enough = places[_size(question, sides)[places] >= (FEWEST_TO_ADD if adding else question.min_samples)]
        if len(enough) and adding:
            first[enough], second[enough] = steps(old, sides.take(enough))
        elif len(enough):
            seen = question.detector.measure(old, sides.take(enough))
            first[enough], second[enough] = seen.statistic, seen.noise
    if adding:
        key = question.finding(segment).key
        first, second, sums[key] = added_up(first, second, sums.get(key, Sums()))
    _note(baseline, question, segment, first, second, found)


def _size(question: Asked, side: Counted) -> Any:  # noqa: ANN401
    return side.n if question.detector.counts == "usable" else side.rows


def _note(
    baseline: Baseline,
    question: Asked,
    segment: str | None,
    statistic: np.ndarray,
    noise: np.ndarray,
    found: _Found,
) -> None:
    """Spell out what comes near its threshold."""
    detector, stated = question.detector, question.finding(segment)
    calibrated = None if question.threshold is not None else baseline.calibration.of(stated)
    if question.threshold is not None:
        bound = np.full(len(noise), question.threshold)
    elif calibrated is not None:
        bound = np.maximum(detector.floor, calibrated.null.threshold(calibrated.limit, noise))
    else:
        bound = np.maximum(detector.threshold, noise)
    found.measured |= np.isfinite(statistic)
    for at in np.flatnonzero(statistic >= NEAR * bound):
        value, limit = float(statistic[at]), float(bound[at])
        status = Status.DRIFTED if value >= limit else Status.OK
        said = compared(detector, value, limit)
        found.near[at].append(replace(stated, status=status, reason=said, statistic=value, threshold=limit))


def _alike(baseline: Baseline, timeline: Timeline, column: str) -> Iterator[np.ndarray]:
    """Yield the ends of windows that are compared with the same part of the baseline."""
    ends = np.arange(timeline.length - 1, timeline.steps)
    season = baseline.calibration.seasons.get(column, ALL_TIMES)
    slots = SEASONS[season].slot(timeline.seconds())
    touched = np.lib.stride_tricks.sliding_window_view(slots, timeline.length)
    groups: dict[tuple[int, ...], list[int]] = {}
    for end, inside in zip(ends.tolist(), touched, strict=True):
        groups.setdefault(tuple(np.unique(inside).tolist()), []).append(end)
    yield from (np.array(places) for places in groups.values())


def _of_traffic(monitor: Monitor, baseline: Baseline, timeline: Timeline, place: int) -> Iterator[Finding]:
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
    for check in monitor.checks:
        for kind in kinds(check):
            if kind not in TRAFFIC_CHECKS:
                continue
            bound = check.max_age.total_seconds() if kind == "freshness" and check.max_age else check.threshold
            stand_in = Finding(name(check, kind), None, kind, None, Status.OK, "")
            yield from TRAFFIC_CHECKS[kind](
                baseline.traffic, traffic, threshold=bound, calibrated=baseline.calibration.of(stand_in)
            )
