"""Replay: the findings of a whole stretch of buckets at once, as `detect` would have found them one by one. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from detectors import TRAFFIC_CHECKS
from detectors.base import Finding, Status, compared
from detectors.quality.traffic import Traffic
from detectors.season import ALL_TIMES, SEASONS
from detectors.stack import Stack
from monitor.config import Monitor
from monitor.engine.baseline import Baseline
from monitor.engine.checks import Asked, asked, kinds, name
from monitor.engine.detect import reference
from monitor.engine.timeline import Timeline
from monitor.schedule import Bucket

NEAR = 0.5
"""Findings below this share of their threshold cannot matter to a rule; they are not spelt out."""


def replay(monitor: Monitor, baseline: Baseline, timeline: Timeline) -> Iterator[tuple[Bucket, list[Finding], bool]]:
    """Yield every bucket whose window is whole, what came near its threshold, and whether anything was measured.

    Parameters
    ----------
    timeline
        Buckets of the stretch, with the rest of the first window before it.
    """
    near: list[list[Finding]] = [[] for _ in range(timeline.steps)]
    measured = np.zeros(timeline.steps, dtype=bool)
    for question in asked(monitor, baseline.layouts):
        for (segment, column), stack in timeline.series():
            if column == question.column and (segment is None or question.segments):
                _ask(monitor, baseline, timeline, question, segment, stack, near, measured)
    for place in range(timeline.length - 1, timeline.steps):
        start = timeline.start + place * timeline.step
        findings = [*near[place], *_of_traffic(monitor, baseline, timeline, place)]
        yield Bucket(start, start + timeline.step), findings, bool(measured[place])


def _ask(
    monitor: Monitor,
    baseline: Baseline,
    timeline: Timeline,
    question: Asked,
    segment: str | None,
    stack: Stack,
    near: list[list[Finding]],
    measured: np.ndarray,
) -> None:
    windows = stack.windows(timeline.length)
    calibrated = None if question.threshold is not None else baseline.calibration.of(question.finding(segment))
    detector = question.detector
    for places in _alike(baseline, timeline, question.column):
        starts = [
            timeline.start + int(p) * timeline.step for p in range(places[0] - timeline.length + 1, places[0] + 1)
        ]
        old = reference(monitor, baseline.within(question.column, starts), segment)
        if old is None or (old.n if detector.counts == "usable" else old.rows) < question.min_samples:
            continue
        sizes = (windows.n if detector.counts == "usable" else windows.rows)[places]
        enough = places[sizes >= question.min_samples]
        if len(enough) == 0:
            continue
        measured[enough] = True
        seen = detector.measure(old, windows.take(enough))
        statistic, noise = np.broadcast_to(seen.statistic, enough.shape), np.broadcast_to(seen.noise, enough.shape)
        if question.threshold is not None:
            bound = np.full(len(enough), question.threshold)
        elif calibrated is not None:
            bound = np.maximum(detector.floor, calibrated.null.threshold(calibrated.limit, noise))
        else:
            bound = np.maximum(detector.threshold, noise)
        for at in np.flatnonzero(statistic >= NEAR * bound):
            drifted = statistic[at] >= bound[at]
            near[enough[at]].append(
                Finding(
                    question.check,
                    question.column,
                    detector.name,
                    segment,
                    Status.DRIFTED if drifted else Status.OK,
                    compared(detector, float(statistic[at]), float(bound[at])),
                    float(statistic[at]),
                    float(bound[at]),
                    unit=detector.unit,
                    about=detector.about,
                )  # fmt: skip
            )


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
