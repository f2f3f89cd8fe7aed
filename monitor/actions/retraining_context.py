"""What a retraining is told: its stretches of the log, how each is selected, and what the drift has cost. Pure.

Only the condition that selects a stretch comes from the reader, for it is written in the dialect of the source.
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
    """What is stored of earlier buckets when a retraining is requested.

    Parameters
    ----------
    counts
        Start, records and labels of each finished bucket that an incident may be about.
    of_baseline
        Records and labels of the baseline's range.
    measured
        What was found of the measure that says what errors cost.
    """

    counts: Sequence[tuple[datetime, int, int]]
    of_baseline: tuple[int, int]
    measured: Sequence[MeasuredBucket] = ()


@dataclass(frozen=True)
class RetrainingInput:
    """What a retraining is built from.

    Parameters
    ----------
    reader
        Writes the conditions that select rows; nothing is read.
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
    """Return by incident what a retraining is sent with."""
    if inputs is None:
        return {}
    bucket, profiled, window = inputs.bucket, inputs.profiled, inputs.window
    baseline, history, reader = inputs.baseline, inputs.history, inputs.reader

    def rows(start: datetime, end: datetime) -> tuple[int, int]:
        """Count the finished buckets, and this one, which is not stored yet."""
        first = floor(start, monitor.bucket)
        before = history.of_baseline
        if (start, end) != (baseline.start, baseline.end):
            kept = [one for one in history.counts if first <= one[0] < end]
            before = (sum(one[1] for one in kept), sum(one[2] for one in kept))
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
    """Return what the drift has cost up to the bucket before, where the operator says what an error costs."""
    spec = monitor.savings.retraining if monitor.savings else None
    if spec is None:
        return None
    paid = payback_since(history.measured, monitor, spec, incident.opened_at)
    return float(paid["cost"]["value"]) if "cost" in paid else None
