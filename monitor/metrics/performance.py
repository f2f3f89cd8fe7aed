"""Performance of the model: measured with labels or estimated without, and the accuracy of the estimates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from detectors.outcome import OUTCOME
from detectors.performance.measured import ESTIMATED
from monitor.metrics.base import MetricRow, Sample, label_values
from monitor.store.reads import Snapshot

BOUNDS = ("value", "low", "high", "corrected")


def _performance(state: Snapshot) -> Iterator[Sample]:
    for monitor in state.monitors:
        for row in monitor.findings:
            if row.column != OUTCOME:
                continue
            detail: Mapping[str, Any] = row.detail or {}
            metric = row.method.removeprefix(ESTIMATED)
            source = "measured" if metric == row.method else "estimated"
            for bound in BOUNDS:
                if bound in detail:
                    yield label_values(monitor.name, metric, row.segment, source, bound), float(detail[bound])


def _record(
    field: Literal["windows", "nominal", "within_interval", "mean_distance", "mean_width"],
) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(state: Snapshot) -> Iterator[Sample]:
        for monitor in state.monitors:
            for row in monitor.record:
                yield label_values(monitor.name, row["metric"]), float(row[field])

    return samples


ROWS: tuple[MetricRow, ...] = (
    MetricRow(
        "driftd_performance",
        "gauge",
        ("monitor", "metric", "segment", "source", "bound"),
        "Performance metrics of the model, measured with labels or estimated without, with 95 % intervals.",
        _performance,
    ),
    MetricRow(
        "driftd_performance_estimates_held_ratio",
        "gauge",
        ("monitor", "metric"),
        "Share of the newest labelled windows, 200 at most, whose measured value was in the estimate's 95 % interval.",
        _record("within_interval"),
    ),
    MetricRow(
        "driftd_performance_estimates_checked",
        "gauge",
        ("monitor", "metric"),
        "Number of labelled windows on which estimates were checked, 200 at most.",
        _record("windows"),
    ),
    MetricRow(
        "driftd_performance_estimate_distance",
        "gauge",
        ("monitor", "metric"),
        "Mean absolute error of the estimates over those windows, in units of the metric.",
        _record("mean_distance"),
    ),
)
