"""Detect: every check of a monitor over one window against its baseline. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from detectors import DETECTORS, TRAFFIC_CHECKS
from detectors.base import Detector, Finding, Status, assess
from detectors.layout import Kind
from detectors.profile import Profile
from detectors.quality.traffic import Traffic
from monitor.config import BY_DEFAULT, Check, Monitor
from monitor.engine.baseline import Baseline
from monitor.engine.profile import Profiled

DEFAULT_METHODS: dict[Kind, tuple[str, ...]] = {
    "numeric": ("kolmogorov_smirnov",),
    "categorical": ("jensen_shannon",),
}


@dataclass(frozen=True)
class Window:
    """The sum of a run of buckets."""

    profiles: Mapping[str | None, Mapping[str, Profile]]
    traffic: Traffic


def detect(monitor: Monitor, baseline: Baseline, window: Window) -> list[Finding]:
    """Run every check; one that fails is a finding of status error and stops no other."""
    findings: list[Finding] = []
    for check in monitor.checks:
        for kind in BY_DEFAULT if check.kind == "quality" else (check.kind,):
            named = check.name or ("drift" if kind == "drift" else kind)
            findings += [replace(found, check=named) for found in _run(monitor, check, kind, baseline, window)]
    return list({finding.key: finding for finding in findings}.values())


def _run(monitor: Monitor, check: Check, kind: str, baseline: Baseline, window: Window) -> Iterator[Finding]:
    if kind in TRAFFIC_CHECKS:
        bound = check.max_age.total_seconds() if kind == "freshness" and check.max_age else check.threshold
        yield from TRAFFIC_CHECKS[kind](baseline.traffic, window.traffic, threshold=bound)
        return
    columns = list(baseline.layouts) if check.columns == "auto" else check.columns
    for segment in [None, *(segments(monitor, window.profiles) if check.segments else [])]:
        for column in columns:
            for detector in _detectors(check, kind, column, baseline):
                yield _measure(monitor, check, detector, column, segment, baseline, window)


def _detectors(check: Check, kind: str, column: str, baseline: Baseline) -> list[Detector]:
    layout = baseline.layouts.get(column)
    if kind != "drift":
        detector = DETECTORS[kind]
        return [detector] if layout is None or layout.kind in detector.kinds else []
    if check.method != "auto":
        return [DETECTORS[name] for name in check.method]
    return [DETECTORS[name] for name in DEFAULT_METHODS[layout.kind if layout else "numeric"]]


def _measure(
    monitor: Monitor,
    check: Check,
    detector: Detector,
    column: str,
    segment: str | None,
    baseline: Baseline,
    window: Window,
) -> Finding:
    old = reference(monitor, baseline, column, segment)
    new = window.profiles.get(segment, {}).get(column)
    if old is None or new is None:
        side = "baseline" if old is None else "window"
        return Finding(
            detector.check, column, detector.name, segment, Status.INCONCLUSIVE,
            f"missing_column: the {side} has no column {column!r}", about=detector.about,
        )  # fmt: skip
    return assess(
        detector,
        old,
        new,
        column=column,
        segment=segment,
        threshold=check.threshold or check.max_increase,
        min_samples=check.min_samples or monitor.min_samples,
    )


def reference(monitor: Monitor, baseline: Baseline, column: str, segment: str | None) -> Profile | None:
    """Return what a segment is compared with: itself, or all traffic where the baseline hardly knew it."""
    own = baseline.profiles.get(segment, {}).get(column)
    if own is not None and own.rows >= monitor.min_samples:
        return own
    return baseline.profiles.get(None, {}).get(column)


def segments(monitor: Monitor, profiles: Mapping[str | None, Mapping[str, Profile]]) -> list[str]:
    """Return the largest segments of each segment column, up to the cap, ties by name."""
    chosen: list[str] = []
    for name in monitor.segments:
        sizes = {
            segment: max((profile.rows for profile in columns.values()), default=0)
            for segment, columns in profiles.items()
            if segment is not None and segment.startswith(f"{name}=")
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
