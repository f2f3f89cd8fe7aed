"""What a retraining is told: asks their table and ours, only when an incident fires whose rule retrains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from detectors.base import Finding
from monitor.actions.retraining import Grounds, retraining
from monitor.alerting.incidents import Decision, Incident
from monitor.checks.detect import Window
from monitor.core.schedule import Bucket, floor
from monitor.jobs.watch import Watch
from monitor.jobs.what_if import paying_since
from monitor.profiling.profile import Profiled
from monitor.store import buckets


def build_retraining_context(
    watch: Watch,
    decisions: Sequence[Decision],
    findings: Sequence[Finding],
    profiled: Profiled,
    window: Window | None,
    bucket: Bucket,
) -> Mapping[str, Mapping[str, Any]]:
    """Return by incident what a retraining is told; nothing is read when none is asked for."""
    baseline = watch.baseline
    if not decisions or baseline is None or window is None:
        return {}

    def rows(start: datetime, end: datetime) -> tuple[int, int]:
        """Count the finished buckets, and this one, which is not stored yet."""
        first = floor(start, watch.monitor.bucket)
        with watch.database.read() as connection:
            before = buckets.count_records(connection, watch.monitor.name, first, min(end, bucket.start))
        own = profiled.counts if first <= bucket.start < end else None
        return (before[0] + own.rows, before[1] + own.labels) if own else before

    reader = watch.reader
    schema, seen = reader.schema(), sum(window.traffic.bucket_rows)
    told = {}
    for decision in decisions:
        incident = decision.incident
        found = Grounds(rows, reader.condition, schema, reader.dialect, _cost(watch, incident))
        told[incident.id] = retraining(watch.monitor, incident, findings, baseline, bucket.end, seen, found)
    return told


def _cost(watch: Watch, incident: Incident) -> float | None:
    """Return what the drift has cost up to the bucket before, where the operator says what an error costs."""
    spec = watch.monitor.savings.retraining if watch.monitor.savings else None
    if spec is None:
        return None
    with watch.database.read() as connection:
        told = paying_since(connection, watch.monitor, spec, incident.opened_at)
    return float(told["cost"]["value"]) if "cost" in told else None
