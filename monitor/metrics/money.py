"""What was spent, and what may be."""

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
        "Spent so far in the day or month, in the currency of the account; an empty segment is all traffic.",
        _money("value"),
    ),
    MetricRow(
        "driftd_spend_budget",
        "gauge",
        LABELS,
        "What the day or month may cost.",
        _money("budget"),
    ),
    MetricRow(
        "driftd_spend_forecast",
        "gauge",
        (*LABELS, "bound"),
        "What the day or month comes to: the middle, and the low and high end of its 80 % interval.",
        _forecast,
    ),
    MetricRow(
        "driftd_spend_unpriced_requests",
        "gauge",
        LABELS,
        "Requests of the day or month that nobody could price, and that are not in what was spent.",
        _money("unpriced"),
    ),
    MetricRow(
        "driftd_spend_unknown_buckets",
        "gauge",
        LABELS,
        "Buckets of the day or month that failed, so that what they cost is unknown and not in what was spent.",
        _money("unknown"),
    ),
    MetricRow(
        "driftd_savings",
        "gauge",
        ("monitor", "plan", "currency"),
        "What a plan would have saved over the days that were looked at last; below 0 it would have cost more.",
        _savings_samples,
    ),
)
