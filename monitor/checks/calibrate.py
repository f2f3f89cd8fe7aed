"""Calibrate the thresholds of a monitor on the windows of its own baseline.

Each window is compared with the rest of the baseline without its neighbourhood, by the same functions that compare
live windows with the whole baseline.
"""

from __future__ import annotations

from collections.abc import Mapping

from detectors import Binning, Profile
from detectors.calibrate import FEWEST_WINDOWS, RarityLimit
from detectors.quality.traffic import VOLUME_FLOOR
from monitor.checks.calibration import Calibration, SlotProfiles
from monitor.checks.calibration_settings import definition
from monitor.checks.column_seasons import ColumnSeasons
from monitor.checks.held_out import HeldOutWindows
from monitor.checks.held_out_statistics import (
    SELDOM,
    backtest_metrics,
    measure_target,
    measure_volume,
    variance_inflation,
)
from monitor.checks.learn_nulls import NullLearner
from monitor.checks.targets import expand_checks, volume_findings
from monitor.config.models import Monitor
from monitor.profiling.timeline import Timeline


def calibrate(
    monitor: Monitor,
    timeline: Timeline,
    layouts: Mapping[str, Binning],
    profiles: Mapping[str, Profile] | None = None,
) -> tuple[Calibration, SlotProfiles]:
    """Learn the null distribution of every statistic, and the limit that keeps the alert budget of the monitor.

    ``profiles`` are those of all rows of the baseline; the family of a column selects its detectors.
    """
    if reason := _why_not(monitor, timeline):
        return Calibration(reason=reason, definition=definition(monitor)), {}
    timeline = timeline.since_first_rows()
    held_out = HeldOutWindows(timeline, monitor.baseline.previous)
    learner, seasons = NullLearner(monitor, held_out), ColumnSeasons(monitor, held_out)
    targets = list(expand_checks(monitor, layouts, profiles))
    for (segment, column), stack in timeline.series():
        season = seasons.choose(segment, column, stack)
        inflation = variance_inflation(stack)
        for target in targets:
            if target.column == column and target.threshold is None and (segment is None or target.segments):
                measured = measure_target(held_out, target, segment, stack, season)
                clusters = inflation if target.detector.check in SELDOM else 1.0
                learner.learn(target.finding(segment), target.detector.floor, *measured, clusters)
    for finding in volume_findings(monitor):
        learner.learn(finding, VOLUME_FLOOR, *measure_volume(held_out))
    limit = learner.share_budget()
    return Calibration(
        limit=limit,
        nulls=learner.nulls,
        subjects=learner.subjects,
        seasons=seasons.chosen,
        records=backtest_metrics(held_out, targets),
        clients=held_out.usual,
        reason=_describe_limit(limit, timeline),
        definition=definition(monitor),
        unusual=learner.unusual_stretches(),
    ), seasons.slots


def _why_not(monitor: Monitor, timeline: Timeline) -> str | None:
    """Return the reason why thresholds cannot be learnt, if any."""
    if not monitor.rules:
        return "not_calibrated: no rule is configured, so fixed thresholds apply"
    windows = float(timeline.since_first_rows().is_complete.sum() / timeline.length)
    if windows < FEWEST_WINDOWS:
        return (
            f"too_short: the baseline has {windows:.0f} non-overlapping windows and {FEWEST_WINDOWS} are needed; "
            "until then fixed thresholds apply"
        )
    return None


def _describe_limit(limit: RarityLimit, timeline: Timeline) -> str:
    text = f"calibrated on {timeline.weeks:.1f} weeks to {limit.budget:.3g} alerts a week"
    if limit.beyond > 1:
        text += f"; extrapolated: the time between alerts is {limit.beyond:.1f} times the length of the baseline"
    return text
