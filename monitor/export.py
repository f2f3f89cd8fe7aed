"""Prometheus metrics over committed state: one row a metric, so that a restart forgets nothing.

Labels come from the configuration, the watched columns and the capped segments, never from raw rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from detectors import LATENCY
from detectors.spend.budget import PERIODS
from monitor import __version__
from monitor.config import Config
from monitor.store.database import Database, DatabaseError
from monitor.store.reads import MonitorState, Snapshot, snapshot

LOG = structlog.get_logger(__name__)
MOST_FINDINGS = 2000
LONGEST_LABEL = 100
STATUS_VALUE = {"ok": 0, "drifted": 1, "inconclusive": 2, "error": 3}

Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True)
class MetricRow:
    """One exported metric: its name, type, labels, help, and where its samples come from."""

    name: str
    type: Literal["gauge", "counter"]
    labels: tuple[str, ...]
    help: str
    samples: Callable[[Snapshot], Iterable[Sample]]


def _each(value: Callable[[MonitorState], float | None]) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(state: Snapshot) -> Iterator[Sample]:
        for monitor in state.monitors:
            number = value(monitor)
            if number is not None:
                yield (monitor.name,), number

    return samples


def _finding(field: Callable[[Any], float | None]) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(state: Snapshot) -> Iterator[Sample]:
        for monitor in state.monitors:
            for row in monitor.findings[:MOST_FINDINGS]:
                number = field(row)
                if number is not None:
                    yield _labels(monitor.name, row.check, row.column, row.method, row.segment), number

    return samples


def _times(state: Snapshot) -> Iterator[Sample]:
    for monitor in state.monitors:
        for row in monitor.findings[:MOST_FINDINGS]:
            if row.method in LATENCY and row.detail and "value" in row.detail:
                labels = _labels(monitor.name, row.column, row.segment, f"{row.detail['quantile']:g}")
                yield labels, float(row.detail["value"])


def _money(field: str) -> Callable[[Snapshot], Iterable[Sample]]:
    def samples(state: Snapshot) -> Iterator[Sample]:
        for monitor in state.monitors:
            for row in monitor.findings[:MOST_FINDINGS]:
                if row.method in PERIODS and row.detail and field in row.detail:
                    yield _labels(monitor.name, row.method, row.detail["currency"]), float(row.detail[field])

    return samples


def _rates(state: Snapshot) -> Iterator[Sample]:
    for monitor in state.monitors:
        for row in monitor.findings[:MOST_FINDINGS]:
            if row.method == "rate_rise" and row.detail:
                for bound in ("value", "low", "high"):
                    if bound in row.detail:
                        yield _labels(monitor.name, row.column, row.segment, bound), float(row.detail[bound])


def _labels(*values: str | None) -> tuple[str, ...]:
    return tuple(_short(value or "") for value in values)


def _short(value: str) -> str:
    """Cut a long label; its digest keeps two that begin alike apart."""
    if len(value) <= LONGEST_LABEL:
        return value
    return f"{value[: LONGEST_LABEL - 9]}~{hashlib.sha256(value.encode()).hexdigest()[:8]}"


def _time(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _incidents(state: Snapshot) -> Iterator[Sample]:
    for monitor in state.monitors:
        for severity in ("info", "warning", "critical"):
            for stage in ("pending", "firing"):
                count = sum(row.severity == severity and row.state == stage for row in monitor.open)
                yield (monitor.name, severity, stage), float(count)


def _no_data(monitor: MonitorState) -> float:
    return float(any(row.rule == "no_data" and row.state == "firing" for row in monitor.open))


def _results(state: Snapshot) -> Iterator[Sample]:
    for monitor in state.monitors:
        for (result, reason), count in sorted(monitor.results.items()):
            yield (monitor.name, result, reason), float(count)


def _truncated(state: Snapshot) -> Iterator[Sample]:
    for monitor in state.monitors:
        yield (monitor.name,), float(max(0, len(monitor.findings) - MOST_FINDINGS))


FINDING_LABELS = ("monitor", "check", "column", "method", "segment")

METRICS: tuple[MetricRow, ...] = (
    MetricRow(
        "driftd_finding_statistic", "gauge", FINDING_LABELS,
        "Statistic of a check over the newest window, in the unit of its detector.",
        _finding(lambda row: row.statistic),
    ),
    MetricRow(
        "driftd_finding_threshold", "gauge", FINDING_LABELS,
        "Threshold that the statistic was compared with.",
        _finding(lambda row: row.threshold),
    ),
    MetricRow(
        "driftd_finding_status", "gauge", FINDING_LABELS,
        "Status of a check over the newest window: 0 ok, 1 drifted, 2 inconclusive, 3 error.",
        _finding(lambda row: float(STATUS_VALUE[row.status])),
    ),
    MetricRow(
        "driftd_finding_window_samples", "gauge", FINDING_LABELS,
        "Sample size of a check in the newest window.",
        _finding(lambda row: float(row.n_window)),
    ),
    MetricRow(
        "driftd_latency_seconds", "gauge", ("monitor", "column", "segment", "percentile"),
        "Percentiles of a column of times over the newest window; an empty segment is all rows.",
        _times,
    ),
    MetricRow(
        "driftd_rate_ratio", "gauge", ("monitor", "signal", "segment", "bound"),
        "Mean of a signal over the newest window, corrected by labels where there are some, and its 95 % interval.",
        _rates,
    ),
    MetricRow(
        "driftd_spend", "gauge", ("monitor", "period", "currency"),
        "Spent so far in the day or month, in the currency of the account.",
        _money("value"),
    ),
    MetricRow(
        "driftd_spend_budget", "gauge", ("monitor", "period", "currency"),
        "What the day or month may cost.",
        _money("budget"),
    ),
    MetricRow(
        "driftd_spend_unpriced_requests", "gauge", ("monitor", "period", "currency"),
        "Requests of the day or month that nobody could price, and that are not in what was spent.",
        _money("unpriced"),
    ),
    MetricRow(
        "driftd_incidents", "gauge", ("monitor", "severity", "state"),
        "Open incidents by severity and state.",
        _incidents,
    ),
    MetricRow(
        "driftd_no_data", "gauge", ("monitor",),
        "1 while a monitor cannot see: no rows, too few, or a source that cannot be read.",
        _each(_no_data),
    ),
    MetricRow(
        "driftd_bucket_rows", "gauge", ("monitor",),
        "Rows of the newest finished bucket.",
        _each(lambda m: None if m.newest is None else float(m.newest.source_rows or 0)),
    ),
    MetricRow(
        "driftd_last_bucket_start_timestamp_seconds", "gauge", ("monitor",),
        "Start of the newest finished bucket, in seconds since the epoch.",
        _each(lambda m: None if m.newest is None else _time(m.newest.start)),
    ),
    MetricRow(
        "driftd_oldest_due_bucket_timestamp_seconds", "gauge", ("monitor",),
        "Start of the oldest live bucket that is not finished, in seconds since the epoch.",
        _each(lambda m: _time(m.owed_since)),
    ),
    MetricRow(
        "driftd_stale_buckets", "gauge", ("monitor",),
        "Finished buckets that must be computed again, because rows came late or the baseline changed.",
        _each(lambda m: float(m.stale)),
    ),
    MetricRow(
        "driftd_buckets", "gauge", ("monitor", "result", "reason"),
        "Finished buckets in the store by result, and by reason where they could tell nothing.",
        _results,
    ),
    MetricRow(
        "driftd_baseline_rows", "gauge", ("monitor",),
        "Rows of the baseline in use; absent while there is none.",
        _each(lambda m: None if m.baseline is None else float(m.baseline.rows)),
    ),
    MetricRow(
        "driftd_source_up", "gauge", ("monitor",),
        "1 when the source could be read in the last pass.",
        _each(lambda m: None if m.watch is None else float(m.watch.error is None)),
    ),
    MetricRow(
        "driftd_source_newest_row_timestamp_seconds", "gauge", ("monitor",),
        "Event time of the newest row in the source, in seconds since the epoch.",
        _each(lambda m: None if m.watch is None else _time(m.watch.newest)),
    ),
    MetricRow(
        "driftd_last_pass_timestamp_seconds", "gauge", ("monitor",),
        "When any replica last looked at the monitor, in seconds since the epoch.",
        _each(lambda m: None if m.watch is None else _time(m.watch.seen_at)),
    ),
    MetricRow(
        "driftd_late_rows_total", "counter", ("monitor",),
        "Rows that arrived after their bucket was sealed, as found by audits.",
        _each(lambda m: None if m.watch is None else float(m.watch.late_rows)),
    ),
    MetricRow(
        "driftd_actions", "gauge", ("monitor", "action", "state"),
        "Actions in the outbox by state.",
        lambda state: ((key, float(count)) for key, count in sorted(state.actions.items())),
    ),
    MetricRow(
        "driftd_outbox_oldest_timestamp_seconds", "gauge", (),
        "Creation of the oldest undelivered action, in seconds since the epoch; absent when there is none.",
        lambda state: [] if state.outbox_oldest is None else [((), state.outbox_oldest.timestamp())],
    ),
    MetricRow(
        "driftd_series_truncated", "gauge", ("monitor",),
        "Findings of the newest bucket that are not exported, because of the cap on series.",
        _truncated,
    ),
)  # fmt: skip


class StateCollector(Collector):
    """Reads the store at every scrape; a store that is down is a metric, not a failed scrape."""

    def __init__(self, database: Database, config: Config) -> None:
        self._database = database
        self._config = config

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family."""
        info = GaugeMetricFamily("driftd_build_info", "Version of driftd.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        up = GaugeMetricFamily("driftd_store_up", "1 when our own database answered this scrape.")
        try:
            state = snapshot(self._database, self._config)
        except DatabaseError as error:
            LOG.warning("store_down", error=type(error).__name__)
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        for row in METRICS:
            kind = CounterMetricFamily if row.type == "counter" else GaugeMetricFamily
            family = kind(row.name, row.help, labels=row.labels)
            for labels, value in row.samples(state):
                family.add_metric(labels, value)
            yield family
