"""Replay a range of buckets at once, with the same findings as the daemon's bucket by bucket. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from detectors.base import Finding
from detectors.sequential import State
from monitor.checks.baseline import Baseline
from monitor.checks.targets import expand_checks
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket
from monitor.jobs.replay_references import References
from monitor.jobs.replay_target import StretchFindings, measure_target
from monitor.jobs.replay_traffic import record_checks, traffic_findings
from monitor.profiling.clients import noise_factor
from monitor.profiling.timeline import Timeline

SequentialStates = dict[str, State]
"""States of sequential detectors, by finding key."""


def replay(
    monitor: Monitor, baseline: Baseline, timeline: Timeline, sums: SequentialStates
) -> Iterator[tuple[Bucket, list[Finding], bool]]:
    """Yield every bucket with a complete window, its findings near their thresholds, and whether any was measured.

    Parameters
    ----------
    timeline
        Buckets of the range, preceded by the rest of the first window.
    sums
        States of sequential detectors before the range, by finding key; updated to its end.
    """
    result = StretchFindings([[] for _ in range(timeline.steps)], np.zeros(timeline.steps, dtype=bool))
    clients = timeline.client_windows()
    references = References(monitor, baseline, timeline)
    for question in expand_checks(monitor, baseline.layouts, baseline.profiles.get(None)):
        for (segment, column), stack in timeline.series():
            if column == question.column and (segment is None or question.segments):
                factor = noise_factor({} if question.late else clients, baseline.calibration.clients, segment)
                measure_target(references, question, segment, stack, factor, result, sums)
    of_records = record_checks(monitor)
    for place in range(timeline.first, timeline.steps):
        start = timeline.start + place * timeline.step
        findings = [*result.near[place], *traffic_findings(of_records, baseline, timeline, place)]
        yield Bucket(start, start + timeline.step), findings, bool(result.measured[place])
