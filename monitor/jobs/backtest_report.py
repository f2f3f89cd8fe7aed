"""Report of a backtest as plain data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from detectors.evaluate import poisson_interval
from monitor.checks.baseline import Baseline
from monitor.checks.targets import expand_stattests
from monitor.config.models import Monitor
from monitor.core.action import Action
from monitor.core.incident import NO_DATA, Incident
from monitor.jobs.alert_log import AlertLog

WEEK = timedelta(weeks=1)
MOST_EXPLAINED = 3


def report(
    monitor: Monitor,
    baseline: Baseline,
    log: AlertLog,
    start: datetime,
    end: datetime,
    changes: Sequence[datetime],
) -> dict[str, Any]:
    """Return the report of a backtest."""
    fired = log.fired()
    weeks = (end - start) / WEEK
    allowed = monitor.budget_per_week
    low, high = poisson_interval(len(fired), weeks)
    verdict = judge_budget(len(fired), weeks, allowed)
    by_week = [0] * -(-(end - start) // WEEK)
    for incident in fired:
        by_week[(_firing_time(incident) - start - monitor.bucket) // WEEK] += 1
    return {
        "monitor": monitor.name,
        "from": start.isoformat(),
        "to": end.isoformat(),
        "weeks": weeks,
        "pages": len(fired),
        "pages_per_week": len(fired) / weeks,
        "pages_low": low,
        "pages_high": high,
        "updates": log.updates,
        "budget_per_week": allowed,
        "budget": verdict,
        "budget_kept": verdict != "broken",
        "by_week": by_week,
        "incidents": [_incident(incident, log.course[incident.id]) for incident in fired],
        "actions": [_action(action) for action in log.actions],
        "changes": [_delay(log.alerted_at, at, later) for at, later in pairwise([*changes, end])],
        "left_out": sorted({q.detector.name for q in expand_stattests(monitor, baseline.layouts)}),
        "no_data": sum(i.rule == NO_DATA and i.fired_at is not None for i in log.all.values()),
        "baseline": {
            "rows": baseline.rows,
            "from": baseline.start.isoformat() if baseline.start else None,
            "to": baseline.end.isoformat() if baseline.end else None,
            "calibration": baseline.calibration.reason,
            "limit": baseline.calibration.limit.to_json() if baseline.calibration.limit else None,
            "seasons": dict(baseline.calibration.seasons),
        },
    }


def judge_budget(pages: int, weeks: float, allowed: float) -> Literal["kept", "broken", "undecided"]:
    """Compare a number of alerts with a budget of alerts per week, by the exact 95 % interval of their rate.

    ``kept`` if the whole interval is within the budget, ``broken`` if the interval is above it and there is more than
    one alert, else ``undecided``, which a longer period may change.

    Examples
    --------
    >>> [judge_budget(pages, weeks, 1.0) for pages, weeks in ((0, 4.0), (1, 23 / 10080), (0, 0.1), (9, 2.0))]
    ['kept', 'undecided', 'undecided', 'broken']
    """
    low, high = poisson_interval(pages, weeks)
    if low > allowed and pages > 1:
        return "broken"
    return "kept" if high <= allowed else "undecided"


def _firing_time(incident: Incident) -> datetime:
    return incident.fired_at or incident.opened_at


def _incident(incident: Incident, course: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    evidence = list(incident.evidence.values())
    return {
        "opened_at": incident.opened_at.isoformat(),
        "fired_at": _firing_time(incident).isoformat(),
        "resolved_at": incident.resolved_at.isoformat() if incident.resolved_at else None,
        "rule": incident.rule,
        "severity": incident.severity,
        "checks": sorted({str(item["check"]) for item in evidence}),
        "columns": sorted({str(item["column"]) for item in evidence if item["column"]}),
        "reason": incident.reason,
        "suspected_change": incident.suspected_change,
        "explanation": [
            {name: item[name] for name in ("check", "column", "segment", "explanation")}
            for item in evidence
            if "explanation" in item
        ][:MOST_EXPLAINED],
        "changes": [dict(change) for change in course],
    }


def _action(action: Action) -> dict[str, Any]:
    """Return a planned action, which is not sent."""
    return {
        "at": action.created_at.isoformat(),
        "receiver": action.name,
        "kind": action.kind,
        "state": action.state,
        "reason": action.reason,
    }


def _delay(alerts: Sequence[datetime], at: datetime, until: datetime) -> dict[str, Any]:
    """Return the time of the first alert after a change and before the next one."""
    first = min((moment for moment in alerts if at < moment <= until), default=None)
    return {
        "at": at.isoformat(),
        "detected_at": first.isoformat() if first else None,
        "delay_seconds": (first - at).total_seconds() if first else None,
    }
