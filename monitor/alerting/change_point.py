"""Detect further changes during a firing incident: compare the window with the plateau after the last announcement."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from detectors import DETECTORS, Finding, Profile, Status
from detectors.base import effective_threshold
from detectors.direction import infer_direction
from detectors.plateau import at_hours, calibrate_pair
from detectors.sentence import describe
from detectors.stack import Counted
from monitor.checks.base import CheckTarget
from monitor.checks.baseline import Baseline
from monitor.checks.targets import expand_checks
from monitor.checks.window import Window
from monitor.checks.window_comparison import choose_reference, largest_segments
from monitor.config.models import Monitor

COMPARING = {*DETECTORS, "rate_rise"}
"""Detectors that compare a window with a reference, not with a target or with earlier buckets."""

Side = Mapping[str | None, Mapping[str, Profile]]
"""Profiles by segment and column."""


@dataclass(frozen=True)
class Plateau:
    """The first whole window after the announcement of a change, and the starts of its buckets."""

    profiles: Side
    starts: Sequence[datetime] = ()


@dataclass(frozen=True)
class PlateauTarget:
    """A detector that compares a column with its plateau, over all rows or in a segment."""

    target: CheckTarget
    segment: str | None
    profile: Profile


Plateaus = Mapping[tuple[str, datetime], Plateau]
"""Plateaus by the id of the bins of the baseline and by start."""


@dataclass(frozen=True)
class Moves:
    """Distances of windows from a plateau, and their direction.

    Parameters
    ----------
    statistic, bound
        float64, shape (windows,): distance from the plateau, and its threshold.
    back
        bool, shape (windows,): nearer to the baseline than the plateau, as during a recovery.
    improved
        bool, shape (windows,): better than the plateau.
    """

    statistic: np.ndarray
    bound: np.ndarray
    back: np.ndarray
    improved: np.ndarray


def second_shift(monitor: Monitor, baseline: Baseline, plateau: Plateau, window: Window) -> list[Finding]:
    """Return findings about differences from the plateau that exceed those between windows of an unchanged stream.

    They have the same checks and columns as the findings against the baseline. ``detail["back"]`` is whether the window
    is nearer to the baseline than the plateau.
    """
    shifts = []
    for one in expand_plateau(monitor, baseline, plateau):
        new = window.profiles.get(one.segment, {}).get(one.target.column)
        if new is None or _size(one.target, new) < one.target.min_samples:
            continue
        now = choose_reference(monitor, baseline.within(one.target.column, window.starts), one.segment)
        moves = compare(monitor, baseline, plateau, one, now, new)
        if moves is not None:
            shifts += [finding for finding in shift_findings(one, moves) if finding is not None]
    return shifts


def expand_plateau(monitor: Monitor, baseline: Baseline, plateau: Plateau) -> Iterator[PlateauTarget]:
    """Yield the targets of a plateau, over all rows and for its largest segments."""
    chosen = largest_segments(monitor, plateau.profiles)
    for target in expand_checks(monitor, baseline.layouts, baseline.profiles.get(None)):
        if target.detector.name not in COMPARING:
            continue
        for segment in [None, *(chosen if target.segments else [])]:
            profile = plateau.profiles.get(segment, {}).get(target.column)
            if profile is not None and _size(target, profile) >= target.min_samples:
                yield PlateauTarget(target, segment, profile)


def compare(
    monitor: Monitor,
    baseline: Baseline,
    plateau: Plateau,
    measured: PlateauTarget,
    now: Profile | None,
    windows: Counted,
) -> Moves | None:
    """Compare windows, whose reference in the baseline is ``now``, with the plateau.

    If a column has a season, the plateau is adjusted by the seasonal change of the baseline. A change may have altered
    the season, or moved the column outside the range of the baseline; therefore the windows must also differ from the
    plateau without adjustment, and by more than the seasonal change of the baseline.

    Returns
    -------
    Moves or None
        None if the column is not in the baseline.
    """
    target, reference = measured.target, measured.profile
    then = choose_reference(monitor, baseline.within(target.column, plateau.starts), measured.segment)
    if then is None or now is None:
        return None
    seasonal = target.column in baseline.calibration.seasons
    then = then if seasonal else now
    detector = target.detector
    measurement = detector.measure(at_hours(reference, then, now), windows)
    calibrated = baseline.calibration.of(target.finding(measured.segment))
    calibrated = calibrated and calibrate_pair(calibrated, math.sqrt(2) if seasonal else 2.0)
    bound = effective_threshold(detector, measurement, target.threshold, calibrated)
    statistic = measurement.statistic
    if seasonal:
        bound = bound + max(0.0, detector.measure(then, now).statistic)
        statistic = np.minimum(statistic, detector.measure(at_hours(reference, now, now), windows).statistic)
    back = detector.measure(now, windows).statistic < detector.measure(then, reference).statistic
    shape = np.atleast_1d(windows.n).shape  # a detector may return a scalar for all windows
    improved = target.improves(reference, windows)
    return Moves(*(np.broadcast_to(part, shape) for part in (statistic, bound, back, improved)))


def shift_findings(measured: PlateauTarget, moves: Moves) -> Iterator[Finding | None]:
    """Yield a finding for each window that differs from the plateau, None for the others."""
    target, stated = measured.target, measured.target.finding(measured.segment)
    parts = (moves.statistic, moves.bound, moves.back, moves.improved)
    for value, bound, back, improved in zip(*(part.tolist() for part in parts), strict=True):
        if not value >= bound:
            yield None
            continue
        finding = replace(
            stated,
            status=Status.DRIFTED,
            statistic=value,
            threshold=bound,
            detail={"back": back},
            direction=infer_direction(target.better, improved),
        )
        yield replace(finding, reason=f"{describe(finding, target.detector)}, compared with the last alert")


def _size(target: CheckTarget, side: Counted) -> int:
    return int(side.n if target.detector.counts == "usable" else side.rows)
