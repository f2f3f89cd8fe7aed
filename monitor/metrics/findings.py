"""Findings: statistics, thresholds, rates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from monitor.metrics.base import MetricRow, Sample, label_values
from monitor.store.reads import Snapshot

STATUS_VALUE = {"ok": 0, "drifted": 1, "inconclusive": 2, "error": 3}
FINDING_LABELS = ("monitor", "check", "column", "method", "segment")


def _finding(field: Callable[[Any], float | None]) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(state: Snapshot) -> Iterator[Sample]:
        for monitor in state.monitors:
            for row in monitor.findings:
                number = field(row)
                if number is not None:
                    yield label_values(monitor.name, row.check, row.column, row.method, row.segment), number

    return samples


def _objectives(value: Callable[[Any], Mapping[str, float]]) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(state: Snapshot) -> Iterator[Sample]:
        for monitor in state.monitors:
            for row in monitor.findings:
                if row.detail and "burns" in row.detail:
                    for window, number in value(row.detail).items():
                        yield label_values(monitor.name, row.check, row.column, *([window] if window else [])), number

    return samples


def _rates(state: Snapshot) -> Iterator[Sample]:
    for monitor in state.monitors:
        for row in monitor.findings:
            detail: Mapping[str, Any] = row.detail or {}
            if row.method == "rate_rise":
                for bound in ("value", "low", "high"):
                    if bound in detail:
                        yield label_values(monitor.name, row.column, row.segment, bound), float(detail[bound])


def _truncated_samples(state: Snapshot) -> Iterator[Sample]:
    for monitor in state.monitors:
        yield (monitor.name,), float(monitor.finding_count - len(monitor.findings))


ROWS: tuple[MetricRow, ...] = (
    MetricRow(
        "driftd_finding_statistic",
        "gauge",
        FINDING_LABELS,
        "Statistic of a check over the newest window, in the unit of its detector.",
        _finding(lambda row: row.statistic),
    ),
    MetricRow(
        "driftd_finding_threshold",
        "gauge",
        FINDING_LABELS,
        "Threshold that the statistic was compared with.",
        _finding(lambda row: row.threshold),
    ),
    MetricRow(
        "driftd_finding_status",
        "gauge",
        FINDING_LABELS,
        "Status of a check over the newest window: 0 ok, 1 drifted, 2 inconclusive, 3 error.",
        _finding(lambda row: float(STATUS_VALUE[row.status])),
    ),
    MetricRow(
        "driftd_finding_window_samples",
        "gauge",
        FINDING_LABELS,
        "Sample size of a check in the newest window.",
        _finding(lambda row: float(row.n_window)),
    ),
    MetricRow(
        "driftd_rate_ratio",
        "gauge",
        ("monitor", "signal", "segment", "bound"),
        "Mean of a signal over the newest window, corrected with labels if there are any, and its 95 % interval.",
        _rates,
    ),
    MetricRow(
        "driftd_slo_burn_rate_ratio",
        "gauge",
        ("monitor", "check", "signal", "window"),
        "Burn rate of the error budget over each window: 1 consumes exactly the budget over the period.",
        _objectives(lambda detail: detail["burns"]),
    ),
    MetricRow(
        "driftd_slo_room_left_ratio",
        "gauge",
        ("monitor", "check", "signal"),
        "Share of the error budget of an objective that is left in its period; below 0 it is exceeded.",
        _objectives(lambda detail: {"": detail["left"]}),
    ),
    MetricRow(
        "driftd_series_truncated",
        "gauge",
        ("monitor",),
        "Findings of the newest bucket that are not exported because of the limit on series.",
        _truncated_samples,
    ),
)
