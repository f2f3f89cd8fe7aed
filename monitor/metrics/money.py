"""Costs, budgets and savings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from detectors.cost.budget import PERIODS
from monitor.metrics.base import MetricRow, Sample, label_values
from monitor.store.reads import Snapshot


def _money(field: str) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(state: Snapshot) -> Iterator[Sample]:
        for monitor in state.monitors:
            for row in monitor.findings:
                detail: Mapping[str, Any] = row.detail or {}
                if row.method in PERIODS and field in detail:
                    labels = label_values(monitor.name, row.check, row.method, row.segment, detail["currency"])
                    yield labels, float(detail[field])

    return samples


def _forecast(state: Snapshot) -> Iterator[Sample]:
    for monitor in state.monitors:
        for row in monitor.findings:
            detail: Mapping[str, Any] = row.detail or {}
            if row.method in PERIODS and "forecast" in detail:
                for bound, field in (("low", "forecast_low"), ("middle", "forecast"), ("high", "forecast_high")):
                    currency = detail["currency"]
                    labels = label_values(monitor.name, row.check, row.method, row.segment, currency, bound)
                    yield labels, float(detail[field])


def _savings_samples(state: Snapshot) -> Iterator[Sample]:
    for monitor in state.monitors:
        summary: Mapping[str, Any] = monitor.saved.told if monitor.saved else {}
        for plan in summary.get("plans", ()):
            yield label_values(monitor.name, plan["plan"], summary["currency"]), float(plan["saved"])


LABELS = ("monitor", "check", "period", "segment", "currency")

ROWS: tuple[MetricRow, ...] = (
    MetricRow(
        "driftd_spend",
        "gauge",
        LABELS,
        "Cost so far in the day or month; an empty segment means all traffic.",
        _money("value"),
    ),
    MetricRow(
        "driftd_spend_budget",
        "gauge",
        LABELS,
        "Budget of the day or month.",
        _money("budget"),
    ),
    MetricRow(
        "driftd_spend_forecast",
        "gauge",
        (*LABELS, "bound"),
        "Forecast of the cost of the day or month: median, and lower and upper end of the 80 % interval.",
        _forecast,
    ),
    MetricRow(
        "driftd_spend_unpriced_requests",
        "gauge",
        LABELS,
        "Requests of the day or month with an unknown price, which are not in the cost.",
        _money("unpriced"),
    ),
    MetricRow(
        "driftd_spend_unknown_buckets",
        "gauge",
        LABELS,
        "Failed buckets of the day or month, whose cost is unknown and not included.",
        _money("unknown"),
    ),
    MetricRow(
        "driftd_savings",
        "gauge",
        ("monitor", "plan", "currency"),
        "Estimated savings of a plan over the evaluated days; below 0 it would have cost more.",
        _savings_samples,
    ),
)
