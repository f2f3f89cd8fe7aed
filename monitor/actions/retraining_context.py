"""What a retraining is told: its stretches of the log, how each is selected, and what the drift has cost. Pure.

Only the condition that selects a stretch is asked of the reader, for it is written in words of the source.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from detectors.base import Finding
from monitor.actions.drift_cost import MeasuredBucket, payback_since
from monitor.actions.retraining import Grounds, retraining
from monitor.alerting.rules import is_unannounced
from monitor.checks.baseline import Baseline
from monitor.checks.detect import Window
from monitor.config.models import Monitor
from monitor.core.action import UNSENT, AlertHistory
from monitor.core.incident import Decision, Incident
from monitor.core.payload import RetrainingData
from monitor.core.schedule import Bucket, floor
from monitor.profiling.profile import Profiled
from monitor.sources.base import Reader


@dataclass(frozen=True)
class History:
    """What is known of earlier buckets when a retraining is asked for.

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
class Observation:
    """A bucket with its profile, the window that ends with it, and the reader that writes conditions."""

    bucket: Bucket
    profiled: Profiled
    window: Window | None
    reader: Reader


def earliest_asked(monitor: Monitor, past: AlertHistory, bucket: Bucket, rules: Collection[str]) -> datetime:
    """Return the earliest moment that a retraining which is decided with a bucket may speak of.

    An incident whose retraining was sent asks for no other, so a long one costs nothing.
    """
    retrained = {
        row.incident for row in past.past if row.kind == "retrain" and not row.missed and row.state not in UNSENT
    }
    standing = [*past.open.values(), *past.older, *past.resolved.values()]
    asking = [
        incident
        for incident in standing
        if incident.rule in rules
        and (incident.state != "firing" or is_unannounced(incident, past.past) or incident.id not in retrained)
    ]
    back = monitor.window + monitor.bucket
    moments = [bucket.end - back, *(incident.opened_at - back for incident in asking)]
    suspects = [incident.suspected_change for incident in asking]
    moments += [datetime.fromisoformat(suspect["first_seen"]) for suspect in suspects if suspect]
    return floor(min(moments), monitor.bucket)


def build_retraining_context(
    monitor: Monitor,
    baseline: Baseline | None,
    decisions: Sequence[Decision],
    findings: Sequence[Finding],
    observation: Observation,
    history: History | None,
) -> Mapping[str, RetrainingData]:
    """Return by incident what a retraining is told."""
    bucket, profiled, window = observation.bucket, observation.profiled, observation.window
    if baseline is None or window is None or history is None:
        return {}

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
            Grounds(
                rows,
                observation.reader.condition,
                profiled.facts.schema,
                observation.reader.dialect,
                _cost(monitor, decision.incident, history),
            ),
        )
        for decision in decisions
    }


def _cost(monitor: Monitor, incident: Incident, history: History) -> float | None:
    """Return what the drift has cost up to the bucket before, where the operator says what an error costs."""
    spec = monitor.savings.retraining if monitor.savings else None
    if spec is None:
        return None
    paid = payback_since(history.measured, monitor, spec, incident.opened_at)
    return float(paid["cost"]["value"]) if "cost" in paid else None
