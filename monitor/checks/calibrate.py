"""Calibrate: every check of a monitor over the windows of its own baseline. Pure.

Each window is measured against the rest of the baseline, its neighbourhood left out, exactly as a live window
will be measured against the whole of it.
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
    """Learn every null and the limit that keeps the monitor's alert budget.

    ``profiles`` are the baseline's of all rows, whose families choose what is measured of the columns.
    """
    if reason := _why_not(monitor, timeline):
        return Calibration(reason=reason, definition=definition(monitor)), {}
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
    """Return why no threshold can be learnt from a baseline."""
    if not monitor.rules:
        return "not_calibrated: there is no rule that could alert, so fixed thresholds hold"
    windows = float(timeline.is_complete.sum() / timeline.length)
    if windows < FEWEST_WINDOWS:
        return (
            f"too_short: the baseline holds {windows:.0f} windows that do not overlap and {FEWEST_WINDOWS} are "
            "needed; until then fixed thresholds hold"
        )
    return None


def _describe_limit(limit: RarityLimit, timeline: Timeline) -> str:
    text = f"calibrated on {timeline.weeks:.1f} weeks to {limit.budget:.3g} pages a week"
    if limit.beyond > 1:
        text += f"; extrapolated: a page under this budget is {limit.beyond:.1f} times rarer than the baseline is long"
    return text
