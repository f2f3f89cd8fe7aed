"""Read a range of the source and replay it over one baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from detectors.base import Finding
from monitor.checks.baseline import Baseline, previous_stretch
from monitor.checks.new_values import detect_new_values
from monitor.config.models import Monitor
from monitor.core.incident import Change
from monitor.core.schedule import Bucket
from monitor.jobs.replay import SequentialStates, replay
from monitor.jobs.replay_shifts import PlateauComparison
from monitor.profiling.stretch import profile_buckets
from monitor.profiling.timeline import Timeline
from monitor.sources.base import Reader


@dataclass(frozen=True)
class ReplayedBucket:
    """Findings of a bucket and other inputs of the decision about it.

    Parameters
    ----------
    findings
        Findings near their thresholds.
    measured
        Whether any finding could be measured.
    plateaus
        Comparison of the windows of the range with the last announced ones.
    """

    bucket: Bucket
    findings: Sequence[Finding]
    measured: bool
    rows: int
    changes: Sequence[Change]
    plateaus: PlateauComparison


def replay_stretch(
    reader: Reader, monitor: Monitor, baseline: Baseline, states: SequentialStates, start: datetime, end: datetime
) -> Iterator[ReplayedBucket]:
    """Yield every bucket of a range; ``states`` of sequential detectors are updated to its end."""
    lead = start - monitor.window + monitor.bucket
    if monitor.baseline.previous is not None:
        lead, _ = previous_stretch(monitor, monitor.baseline.previous, lead)
    timeline = Timeline.of_stretch(monitor, baseline.layouts, lead, end, start)
    rows: dict[datetime, int] = {}
    changes: dict[datetime, list[Change]] = {}
    for bucket, profiler in profile_buckets(reader, monitor, baseline.layouts, lead, end):
        timeline.add(bucket.start, profiler.facts.whole_requests, profiler.profiles(), profiler.facts.clients)
        rows[bucket.start] = profiler.facts.rows
        changes[bucket.start] = detect_new_values(profiler.facts, baseline)
    plateaus = PlateauComparison(monitor, baseline, timeline)
    for bucket, findings, measured in replay(monitor, baseline, timeline, states):
        yield ReplayedBucket(bucket, findings, measured, rows[bucket.start], changes[bucket.start], plateaus)
