"""Accuracy of estimates without labels, from the stored findings of labelled windows that do not overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.outcome import OUTCOME
from detectors.performance.interval_calibration import LONGEST, MISSES, Residual
from detectors.performance.measured import ESTIMATED
from detectors.performance.wilson import wilson
from monitor.config.models import Monitor
from monitor.core.schedule import floor
from monitor.store.tables import findings


class LabelledWindow(TypedDict):
    """Detail of a finding of a labelled window: the measured value, and the estimate without labels."""

    at: float
    value: float
    estimated: float
    estimated_low: float
    estimated_high: float
    estimate_held: bool
    error: float
    new: int


class Accuracy(TypedDict):
    """Comparison of the newest labelled windows with their estimates without labels."""

    metric: str
    windows: int
    nominal: float
    within_interval: float
    low: float
    high: float
    mean_distance: float
    mean_width: float


def before(connection: Connection, monitor: Monitor, start: datetime) -> dict[str, list[Residual]]:
    """Return the residuals of the estimates of labelled windows, by metric and in order of time.

    Parameters
    ----------
    start
        Start of the current bucket. Only findings of earlier buckets are used, so that the same bucket has the same
        result when it is computed again.
    """
    residuals: dict[str, list[Residual]] = {}
    for method, window in _labelled_windows(connection, monitor, start):
        residual = window["value"] - window["estimated"]
        if math.isfinite(residual):
            residuals.setdefault(method, []).append(Residual(window["at"], residual, window["error"], window["new"]))
    return residuals


def record(connection: Connection, monitor: Monitor, at: datetime) -> list[Accuracy]:
    """Compare, per metric, the newest 200 labelled windows with their estimates without labels.

    Returns
    -------
    rows
        ``metric``, ``windows``, ``nominal`` and ``within_interval`` with its own 95 % interval (``low``, ``high``),
        ``mean_distance`` of the estimate from the measured value, and ``mean_width`` of the interval.
    """
    compared: dict[str, list[LabelledWindow]] = {}
    for method, window in _labelled_windows(connection, monitor, at):
        compared.setdefault(method, []).append(window)
    return [_summary(method, windows) for method, windows in sorted(compared.items())]


def _summary(method: str, compared: Sequence[LabelledWindow]) -> Accuracy:
    windows, inside = len(compared), sum(bool(one["estimate_held"]) for one in compared)
    low, high = wilson(inside, windows)
    return {
        "metric": method,
        "windows": windows,
        "nominal": 1 - MISSES,
        "within_interval": inside / windows,
        "low": low,
        "high": high,
        "mean_distance": sum(abs(one["estimated"] - one["value"]) for one in compared) / windows,
        "mean_width": sum(one["estimated_high"] - one["estimated_low"] for one in compared) / windows,
    }


def _labelled_windows(
    connection: Connection, monitor: Monitor, before_start: datetime
) -> list[tuple[str, LabelledWindow]]:
    """Return metric and detail of the newest labelled windows that do not overlap, oldest first."""
    starts = _starts(monitor, before_start)
    query = (
        sa.select(findings.c.method, findings.c.detail)
        .where(findings.c.monitor == monitor.name, findings.c.start.in_(starts), findings.c.start < before_start)
        .where(findings.c.column == OUTCOME, findings.c.segment.is_(None), findings.c.statistic.is_not(None))
        .where(findings.c.method.not_like(f"{ESTIMATED}%"))
        .order_by(findings.c.start)
    )
    return [
        (method, summary) for method, summary in connection.execute(query) if summary and "estimate_held" in summary
    ]


def needed_findings(monitor: Monitor, at: datetime) -> sa.ColumnElement[bool]:
    """Return the condition of the findings that :func:`before` reads, also for a bucket that is computed again."""
    again = -(-max(monitor.audit_ages) // monitor.window) + 1
    starts = _starts(monitor, at + monitor.window, LONGEST + again)
    return sa.and_(findings.c.column == OUTCOME, findings.c.segment.is_(None), findings.c.start.in_(starts))


def _starts(monitor: Monitor, before_start: datetime, windows: int = LONGEST) -> list[datetime]:
    """Return the last bucket of each of the newest windows that end a whole number of windows after 1970."""
    last = floor(before_start, monitor.window)
    return [last - monitor.bucket - back * monitor.window for back in range(windows)]
