"""Prometheus metrics of this process, which are exported also while the store is down. A restart begins them again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from monitor.core.log import count_dropped
from monitor.core.process_counters import FENCES_LOST, QUARANTINED_RECORDS
from monitor.jobs.liveness import Liveness
from monitor.metrics.base import MetricHead, Sample, make_family, seconds


@dataclass
class ProcessState:
    """What this process knows of itself.

    Parameters
    ----------
    skew
        Clock of this host minus that of the store at this scrape; None while the store does not answer.
    """

    liveness: Liveness = field(default_factory=Liveness)
    skew: float | None = None


@dataclass(frozen=True)
class ProcessRow(MetricHead):
    """One exported metric of this process, with the function that yields its samples."""

    samples: Callable[[ProcessState], Iterable[Sample]]


def _optional(value: float | None) -> list[Sample]:
    return [] if value is None else [((), value)]


PROCESS_ROWS: tuple[ProcessRow, ...] = (
    ProcessRow(
        "driftd_clock_skew_seconds",
        "gauge",
        (),
        "Clock of this host minus clock of the store, in seconds; above 5, this process delivers no effects.",
        lambda state: _optional(state.skew),
    ),
    ProcessRow(
        "driftd_log_lines_dropped_total",
        "counter",
        (),
        "Log lines of this process that were dropped because the reader of the log was too slow.",
        lambda _state: [((), float(count_dropped()))],
    ),
    ProcessRow(
        "driftd_config_last_reload_successful",
        "gauge",
        (),
        "1 if the last reload of the configuration was successful; 0 while an older one is in use.",
        lambda state: [((), float(state.liveness.reloads.is_successful))],
    ),
    ProcessRow(
        "driftd_config_last_reload_success_timestamp_seconds",
        "gauge",
        (),
        "Time of the last successful load of the configuration, in seconds since the epoch.",
        lambda state: _optional(seconds(state.liveness.reloads.succeeded_at)),
    ),
    ProcessRow(
        "driftd_fences_lost_total",
        "counter",
        ("kind",),
        "Results of this process that were dropped, as another replica had taken over the bucket or the action.",
        lambda _state: FENCES_LOST.samples(),
    ),
    ProcessRow(
        "driftd_quarantined_records_total",
        "counter",
        ("monitor", "reason"),
        "Records of buckets that this process computed without signals: these took too much time (timeout) or memory,"
        " ended their process (crash) or failed (error), or did so for too many records around them (skipped).",
        lambda _state: QUARANTINED_RECORDS.samples(),
    ),
    ProcessRow(
        "driftd_heartbeats_total",
        "counter",
        ("result",),
        "Heartbeats of this process to the dead-man service: sent, failed (not accepted), or withheld because a monitor"
        " is not current.",
        lambda state: [((result,), float(count)) for result, count in state.liveness.heartbeats.counts.items()],
    ),
    ProcessRow(
        "driftd_heartbeat_sent_timestamp_seconds",
        "gauge",
        (),
        "Time of the last heartbeat of this process that was accepted, in seconds since the epoch.",
        lambda state: _optional(seconds(state.liveness.heartbeats.sent_at)),
    ),
)


class ProcessStateCollector(Collector):
    """Exports the metrics of this process."""

    def __init__(self, state: ProcessState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family that has samples."""
        for row in PROCESS_ROWS:
            if samples := list(row.samples(self._state)):
                yield make_family(row, samples)
