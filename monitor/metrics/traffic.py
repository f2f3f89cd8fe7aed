"""Usage of the newest window by segment: requests, tokens, cost, failures, durations and load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from monitor.metrics.base import MetricRow, Sample, label_values
from monitor.store.reads import Snapshot

Values = Callable[[dict[str, Any], str], Iterable[tuple[tuple[str, ...], float]]]
"""Returns from the usage of a segment and the currency the values, each with its labels after monitor and segment."""


def _usage_samples(values: Values) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(state: Snapshot) -> Iterator[Sample]:
        for monitor in state.monitors:
            usage: Mapping[str, Any] = (monitor.newest.usage if monitor.newest else None) or {}
            for segment, used in usage.get("segments", {}).items():
                for labels, value in values(used, usage["currency"]):
                    yield label_values(monitor.name, segment, *labels), float(value)

    return samples


def _cost(field: str) -> Values:
    def values(used: dict[str, Any], currency: str) -> Iterator[tuple[tuple[str, ...], float]]:
        if field in used.get("cost", {}):
            yield (currency,), used["cost"][field]

    return values


def _tokens(used: dict[str, Any], per: float) -> Iterator[tuple[tuple[str, ...], float]]:
    for kind, levels in used["tokens"].items():
        if "total" in levels:
            yield (kind,), levels["total"] / per


def _nested_values(field: str) -> Values:
    def values(used: dict[str, Any], _currency: str) -> Iterator[tuple[tuple[str, ...], float]]:
        for name, entry in used[field].items():
            for inner, value in entry.items():
                yield (name, inner), value

    return values


ALL = ("monitor", "segment")

ROWS: tuple[MetricRow, ...] = (
    MetricRow(
        "driftd_requests",
        "gauge",
        ALL,
        "Requests of the newest window; an empty segment is all rows.",
        _usage_samples(lambda used, _: [((), used["requests"])]),
    ),
    MetricRow(
        "driftd_requests_per_second",
        "gauge",
        ALL,
        "Requests per second over the newest window.",
        _usage_samples(lambda used, _: [((), used["requests"] / used["seconds"])]),
    ),
    MetricRow(
        "driftd_tokens",
        "gauge",
        (*ALL, "type"),
        "Tokens of the newest window by type; input and output include the other types.",
        _usage_samples(lambda used, _: _tokens(used, 1.0)),
    ),
    MetricRow(
        "driftd_tokens_per_second",
        "gauge",
        (*ALL, "type"),
        "Tokens per second over the newest window by type.",
        _usage_samples(lambda used, _: _tokens(used, used["seconds"])),
    ),
    MetricRow(
        "driftd_cost",
        "gauge",
        (*ALL, "currency"),
        "Cost of the requests of the newest window, without those whose price is unknown.",
        _usage_samples(_cost("amount")),
    ),
    MetricRow(
        "driftd_cost_per_success",
        "gauge",
        (*ALL, "currency"),
        "Cost per successful answer over the newest window; absent if the price of a request is unknown.",
        _usage_samples(_cost("per_success")),
    ),
    MetricRow(
        "driftd_unpriced_requests",
        "gauge",
        ALL,
        "Requests of the newest window with an unknown price, which are not in its cost.",
        _usage_samples(lambda used, _: [((), used["cost"]["unpriced"])] if "cost" in used else []),
    ),
    MetricRow(
        "driftd_failure_ratio",
        "gauge",
        (*ALL, "kind"),
        "Share of the newest window's requests that failed, were rate-limited or timed out, by kind.",
        _usage_samples(lambda used, _: [((kind,), share) for kind, share in used["shares"].items()]),
    ),
    MetricRow(
        "driftd_latency_seconds",
        "gauge",
        (*ALL, "column", "percentile"),
        "Percentiles of the duration columns over the newest window; an empty segment means all rows.",
        _usage_samples(_nested_values("times")),
    ),
    MetricRow(
        "driftd_load",
        "gauge",
        (*ALL, "resource", "aggregation"),
        "Mean and maximum queue depth, GPU utilization and GPU memory in the newest window, in the unit of the source.",
        _usage_samples(_nested_values("loads")),
    ),
)
