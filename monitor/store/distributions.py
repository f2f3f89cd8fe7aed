"""Distributions of the columns of an incident, from the stored aggregates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from detectors.contribution import ValueGroup
from detectors.distribution import compare_distributions
from detectors.joint import JOINT
from monitor.alerting.row_counts import ColumnProfiles
from monitor.baselines.definition import definition
from monitor.checks.baseline import Baseline
from monitor.config.models import Monitor
from monitor.core.incident import Incident
from monitor.store import baselines, windows

MOST_COLUMNS = 3


@dataclass(frozen=True)
class ColumnDistribution:
    """The values of a column in the baseline and in the window, of all rows or of a segment."""

    column: str
    segment: str | None
    n_baseline: int
    n_window: int
    values: Sequence[ValueGroup]


def load_distributions(connection: Connection, monitor: Monitor, incident: Incident) -> list[ColumnDistribution]:
    """Return the distributions of the worst columns of an incident, in the last window in which it was bad.

    Of each column that of all rows, and that of the suspected version or segment. Empty if the baseline has been
    replaced by one of other columns, or the aggregates of that time have been deleted. If they have been summed, the
    distributions are those of the hours or days that overlap the window.
    """
    segments = dict.fromkeys([None, incident.suspected_segment])
    return [
        ColumnDistribution(column, segment, old.rows, new.rows, values)
        for column, before, now in load_worst(connection, monitor, incident)
        for segment in segments
        if (old := before.get(segment, before.get(None))) and (new := now.get(segment))
        if (values := compare_distributions(old, new))
    ]


def load_worst(
    connection: Connection, monitor: Monitor, incident: Incident
) -> Iterator[tuple[str, ColumnProfiles, ColumnProfiles]]:
    """Yield the worst columns of an incident with their profiles by segment, of the baseline and of the window."""
    baseline = baselines.newest(connection, monitor.name, definition(monitor))
    if baseline is None:
        return
    end = incident.last_bad(monitor.bucket)
    _, profiles, starts = windows.sum_range(connection, monitor.name, baseline, end - monitor.window, end)
    for column in _rank_columns(incident, baseline):
        now = {segment: columns[column] for segment, columns in profiles.items() if column in columns}
        yield column, baseline.within(column, starts), now


def _rank_columns(incident: Incident, baseline: Baseline) -> list[str]:
    """Return the columns of the evidence that were farthest above their thresholds."""
    worst: dict[str, float] = {}
    for item in incident.evidence.values():
        column, excess = item["column"], item["worst"] / (item["threshold"] or 1.0)
        if column is not None and column != JOINT and column in baseline.layouts:
            worst[column] = max(worst.get(column, 0.0), excess)
    return sorted(worst, key=lambda column: -worst[column])[:MOST_COLUMNS]
