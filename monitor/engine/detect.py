"""Detect: every check of a monitor over one window against its baseline. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from detectors import SEQUENTIAL, TRAFFIC_CHECKS
from detectors.base import Finding, Status, assess
from detectors.base import conclude as conclude_with
from detectors.correct import false_discovery
from detectors.drift.cusum import FEWEST_TO_ADD, Sums, advance, steps
from detectors.profile import Profile
from detectors.quality.traffic import Traffic
from monitor.config import Monitor
from monitor.engine.baseline import Baseline
from monitor.engine.calibrate import Calibration
from monitor.engine.checks import Asked, asked, kinds, name
from monitor.engine.profile import Profiled


@dataclass(frozen=True)
class Window:
    """The sum of a run of buckets, when each of them starts, and its newest bucket by itself.

    ``sums`` is what sequential detectors had accumulated, by finding key, before the newest bucket.
    """

    profiles: Mapping[str | None, Mapping[str, Profile]]
    traffic: Traffic
    starts: Sequence[datetime] = ()
    newest: Mapping[str, Profile] = field(default_factory=dict)
    sums: Mapping[str, Sums] = field(default_factory=dict)


def detect(monitor: Monitor, baseline: Baseline, window: Window) -> list[Finding]:
    """Run every check; one that fails is a finding of status error and stops no other."""
    findings = [*_of_traffic(monitor, baseline, window), *_of_columns(monitor, baseline, window)]
    unique = list({finding.key: finding for finding in findings}.values())
    p_values = np.array([math.nan if finding.p_value is None else finding.p_value for finding in unique])
    q_values = false_discovery(p_values)
    return [
        finding if math.isnan(q) else replace(finding, q_value=q)
        for finding, q in zip(unique, q_values.tolist(), strict=True)
    ]


def _of_traffic(monitor: Monitor, baseline: Baseline, window: Window) -> Iterator[Finding]:
    for check in monitor.checks:
        for kind in kinds(check):
            if kind not in TRAFFIC_CHECKS:
                continue
            bound = check.max_age.total_seconds() if kind == "freshness" and check.max_age else check.threshold
            stand_in = Finding(name(check, kind), None, kind, None, Status.OK, "")
            found = TRAFFIC_CHECKS[kind](
                baseline.traffic, window.traffic, threshold=bound, calibrated=baseline.calibration.of(stand_in)
            )
            yield from (replace(finding, check=name(check, kind)) for finding in found)


def _of_columns(monitor: Monitor, baseline: Baseline, window: Window) -> Iterator[Finding]:
    chosen = segments(monitor, window.profiles)
    by_column: dict[str, list[Asked]] = {}
    for question in asked(monitor, baseline.layouts):
        by_column.setdefault(question.column, []).append(question)
    for column, questions in by_column.items():
        before = baseline.within(column, window.starts)
        for question in questions:
            for segment in [None, *(chosen if question.segments else [])]:
                if question.detector.name not in SEQUENTIAL:
                    yield _measure(monitor, question, segment, before, window, baseline.calibration)
                elif question.column in window.newest:
                    yield _accumulate(question, before, window, baseline.calibration)


def _measure(
    monitor: Monitor,
    question: Asked,
    segment: str | None,
    before: Mapping[str | None, Profile],
    window: Window,
    calibration: Calibration,
) -> Finding:
    old, new = reference(monitor, before, segment), window.profiles.get(segment, {}).get(question.column)
    stated = question.finding(segment)
    if old is None or new is None:
        side = "baseline" if old is None else "window"
        return replace(stated, reason=f"missing_column: the {side} has no column {question.column!r}")
    finding = assess(
        question.detector,
        old,
        new,
        column=question.column,
        segment=segment,
        threshold=question.threshold,
        calibrated=calibration.of(stated),
        min_samples=question.min_samples,
    )
    return replace(finding, check=question.check)


def _accumulate(
    question: Asked, before: Mapping[str | None, Profile], window: Window, calibration: Calibration
) -> Finding:
    """Add the newest bucket to what was accumulated; one with hardly a row leaves it as it is."""
    old, new, stated = before.get(None), window.newest[question.column], question.finding(None)
    sums = window.sums.get(stated.key, Sums())
    kept = {"up": sums.up, "down": sums.down}
    if old is None or old.n < question.min_samples or new.n < FEWEST_TO_ADD:
        reason = f"too_few: the bucket has {new.n} usable values, {FEWEST_TO_ADD} are needed to add it"
        return replace(stated, reason=reason, detail=kept)
    score, allowance = steps(old, new)
    _, seen = advance(sums, float(score), float(allowance))
    sized = replace(stated, n_baseline=old.n, n_window=new.n)
    return conclude_with(sized, question.detector, seen, question.threshold, calibration.of(stated))


def reference(monitor: Monitor, before: Mapping[str | None, Profile], segment: str | None) -> Profile | None:
    """Return what a segment is compared with: itself, or all traffic where the baseline hardly knew it."""
    own = before.get(segment)
    if own is not None and own.rows >= monitor.min_samples:
        return own
    return before.get(None)


def segments(monitor: Monitor, profiles: Mapping[str | None, Mapping[str, Profile]]) -> list[str]:
    """Return the largest segments of each segment column, up to the cap, ties by name."""
    chosen: list[str] = []
    for column in monitor.segments:
        sizes = {
            segment: max((profile.rows for profile in columns.values()), default=0)
            for segment, columns in profiles.items()
            if segment is not None and segment.startswith(f"{column}=")
        }
        ranked: Sequence[str] = sorted(sizes, key=lambda segment: (-sizes[segment], segment))
        chosen += ranked[: monitor.max_segments]
    return chosen


def conclude(
    baseline: Baseline | None, without: str, profiled: Profiled, findings: Sequence[Finding]
) -> tuple[str, str | None]:
    """Say how a bucket ends, ``done`` or ``inconclusive``, and why when it could tell nothing."""
    if baseline is None:
        return "inconclusive", without
    if profiled.facts.rows == 0:
        return "inconclusive", "no_rows: the bucket is empty"
    if not findings:
        return "done", "part of the baseline"
    of_columns = [finding for finding in findings if finding.check not in TRAFFIC_CHECKS] or list(findings)
    if not any(finding.status in (Status.OK, Status.DRIFTED) for finding in of_columns):
        return "inconclusive", of_columns[0].reason
    return "done", None
