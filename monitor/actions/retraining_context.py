"""Collect the data for the payload of a retraining: ranges of records, their SQL conditions, and the cost of drift.

The reader is used only to write the conditions in the dialect of the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from detectors.base import Finding
from monitor.actions.drift_cost import MeasuredBucket, payback_since
from monitor.actions.retraining import TrainingLog, retraining
from monitor.checks.baseline import Baseline
from monitor.checks.window import Window
from monitor.config.models import Monitor
from monitor.core.incident import Decision, Incident
from monitor.core.payload import RetrainingData
from monitor.core.schedule import Bucket, floor
from monitor.profiling.profile import Profiled
from monitor.sources.base import Reader


@dataclass(frozen=True)
class RetrainingHistory:
    """Stored data of earlier buckets for a retraining.

    Parameters
    ----------
    counts
        Start, records and labels of each finished bucket that an incident may concern.
    of_baseline
        Records and labels of the range of the baseline.
    measured
        Findings of the measure from which the cost of errors is computed.
    """

    counts: Sequence[tuple[datetime, int, int]]
    of_baseline: tuple[int, int]
    measured: Sequence[MeasuredBucket] = ()


@dataclass(frozen=True)
class RetrainingInput:
    """Data that the payload of a retraining is built from.

    Parameters
    ----------
    reader
        Writes the conditions that select rows; no rows are read.
    """

    bucket: Bucket
    profiled: Profiled
    window: Window
    baseline: Baseline
    history: RetrainingHistory
    reader: Reader


def build_retraining_context(
    monitor: Monitor, requests: Sequence[Decision], findings: Sequence[Finding], inputs: RetrainingInput | None
) -> Mapping[str, RetrainingData]:
    """Return the retraining payload by incident."""
    if inputs is None:
        return {}
    bucket, profiled, window = inputs.bucket, inputs.profiled, inputs.window
    baseline, history, reader = inputs.baseline, inputs.history, inputs.reader

    def rows(start: datetime, end: datetime) -> tuple[int, int]:
        """Return records and labels of a range, including the current bucket, which is not stored yet."""
        first = floor(start, monitor.bucket)
        before = history.of_baseline
        if (start, end) != (baseline.start, baseline.end):
            counts = [one for one in history.counts if first <= one[0] < end]
            before = (sum(one[1] for one in counts), sum(one[2] for one in counts))
        own = profiled.counts if first <= bucket.start < end else None
        return (before[0] + own.rows, before[1] + own.labels) if own else before

    return {
        decision.incident.id: retraining(
            monitor,
            decision.incident,
            findings,
            baseline,
            bucket.end,
            sum(window.traffic.bucket_rows),
            TrainingLog(
                rows,
                reader.condition,
                profiled.facts.schema,
                reader.dialect,
                _cost(monitor, decision.incident, history),
            ),
        )
        for decision in requests
    }


def _cost(monitor: Monitor, incident: Incident, history: RetrainingHistory) -> float | None:
    """Return the cost of the drift up to the previous bucket; None if the cost of an error is not configured."""
    spec = monitor.savings.retraining if monitor.savings else None
    if spec is None:
        return None
    paid = payback_since(history.measured, monitor, spec, incident.opened_at)
    return float(paid["cost"]["value"]) if "cost" in paid else None
