"""The operation of driftd: incidents, buckets, sources, the outbox."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.metrics.base import MetricRow, Sample, each, seconds
from monitor.store.reads import MonitorState, Snapshot


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


ROWS: tuple[MetricRow, ...] = (
    MetricRow(
        "driftd_incidents",
        "gauge",
        ("monitor", "severity", "state"),
        "Open incidents by severity and state.",
        _incidents,
    ),
    MetricRow(
        "driftd_no_data",
        "gauge",
        ("monitor",),
        "1 while a monitor has no data: no rows, too few, or an unreadable source.",
        each(_no_data),
    ),
    MetricRow(
        "driftd_bucket_rows",
        "gauge",
        ("monitor",),
        "Rows of the newest finished bucket.",
        each(lambda m: None if m.newest is None else float(m.newest.source_rows or 0)),
    ),
    MetricRow(
        "driftd_last_bucket_start_timestamp_seconds",
        "gauge",
        ("monitor",),
        "Start of the newest finished bucket, in seconds since the epoch.",
        each(lambda m: None if m.newest is None else seconds(m.newest.start)),
    ),
    MetricRow(
        "driftd_oldest_due_bucket_timestamp_seconds",
        "gauge",
        ("monitor",),
        "Start of the oldest bucket that is due and not finished, in seconds since the epoch.",
        each(lambda m: seconds(m.owed_since)),
    ),
    MetricRow(
        "driftd_stale_buckets",
        "gauge",
        ("monitor",),
        "Finished buckets that must be computed again because of late rows or a changed baseline.",
        each(lambda m: float(m.stale)),
    ),
    MetricRow(
        "driftd_buckets",
        "gauge",
        ("monitor", "result", "reason"),
        "Finished buckets in the store by result, and by reason for inconclusive ones.",
        _results,
    ),
    MetricRow(
        "driftd_baseline_rows",
        "gauge",
        ("monitor",),
        "Rows of the baseline in use; absent while there is none.",
        each(lambda m: None if m.baseline is None else float(m.baseline.rows)),
    ),
    MetricRow(
        "driftd_source_up",
        "gauge",
        ("monitor",),
        "1 if the source could be read in the last pass.",
        each(lambda m: None if m.watch is None else float(m.watch.error is None)),
    ),
    MetricRow(
        "driftd_source_newest_row_timestamp_seconds",
        "gauge",
        ("monitor",),
        "Event time of the newest row in the source, in seconds since the epoch.",
        each(lambda m: None if m.watch is None else seconds(m.watch.newest)),
    ),
    MetricRow(
        "driftd_last_pass_timestamp_seconds",
        "gauge",
        ("monitor",),
        "Time of the last pass of any daemon over the monitor, in seconds since the epoch.",
        each(lambda m: None if m.watch is None else seconds(m.watch.seen_at)),
    ),
    MetricRow(
        "driftd_last_change_timestamp_seconds",
        "gauge",
        ("monitor", "kind"),
        "Time of the newest change by kind, in seconds since the epoch: the first record of a `model_version` or"
        " `prompt_version`, or a reported event `deploy`, `config` or `data`.",
        lambda state: ((key, at.timestamp()) for key, at in sorted(state.changed.items())),
    ),
    MetricRow(
        "driftd_late_rows_total",
        "counter",
        ("monitor",),
        "Rows that arrived after their bucket was computed, as counted by audits.",
        each(lambda m: None if m.watch is None else float(m.watch.late_rows)),
    ),
    MetricRow(
        "driftd_actions",
        "gauge",
        ("monitor", "action", "state"),
        "Actions in the outbox by state.",
        lambda state: ((key, float(count)) for key, count in sorted(state.actions.items())),
    ),
    MetricRow(
        "driftd_action_failed_timestamp_seconds",
        "gauge",
        ("monitor", "action"),
        "Time when an action last failed or expired, in seconds since the epoch; absent if a later one replaced it.",
        lambda state: ((key, at.timestamp()) for key, at in sorted(state.failed.items())),
    ),
    MetricRow(
        "driftd_reaction_seconds",
        "gauge",
        ("monitor", "action"),
        "Seconds from the first bad record of an incident to the request of its effect, of the newest effect.",
        lambda state: iter(sorted(state.reactions.items())),
    ),
    MetricRow(
        "driftd_verifications",
        "gauge",
        ("monitor", "action", "result"),
        "Effects in the store by the result of their verification: verified, not_verified or unknown.",
        lambda state: ((key, float(count)) for key, count in sorted(state.verifications.items())),
    ),
    MetricRow(
        "driftd_store_bytes",
        "gauge",
        ("kind",),
        "Bytes of driftd's own database by kind of rows, with indexes, measured once an hour.",
        lambda state: (((kind,), float(size)) for kind, size in sorted(state.store_bytes.items())),
    ),
    MetricRow(
        "driftd_outbox_oldest_timestamp_seconds",
        "gauge",
        (),
        "Creation of the oldest undelivered action, in seconds since the epoch; absent when there is none.",
        lambda state: [] if state.outbox_oldest is None else [((), state.outbox_oldest.timestamp())],
    ),
)
