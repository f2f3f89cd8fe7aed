"""Example records of an incident, read from the source when somebody asks, and never stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from detectors.binning import category
from detectors.profile import assign_bins
from monitor.config.models import Monitor
from monitor.config.source import TEXT_ROLES
from monitor.core.incident import Incident
from monitor.core.record_batch import RecordBatch
from monitor.jobs.shown_text import show_value
from monitor.profiling.signals import protect_values, stored_columns, with_signals
from monitor.profiling.source_columns import columns_to_read
from monitor.sources.base import Reader, read_in_steps
from monitor.sources.traffic_roles import keep_monitored
from monitor.store.column_scores import ColumnScores

MOST_EXAMPLES = 10
ALWAYS = ("id", "model_version", "prompt_version")


@dataclass(frozen=True)
class ExampleRecord:
    """A record that departs from the baseline, with personal data and secrets replaced by their types."""

    at: datetime
    fields: Mapping[str, str]


def read_examples(
    reader: Reader, monitor: Monitor, incident: Incident, scores: ColumnScores, most: int = MOST_EXAMPLES
) -> list[ExampleRecord]:
    """Return the records of the last bad window that depart most from the baseline, the most first.

    If the suspect is a version or a segment, only its records are considered.
    """
    end = incident.last_bad(monitor.bucket)
    schema = reader.schema()
    names = columns_to_read(monitor, {scores.column: scores.layout}, schema)
    names = list(dict.fromkeys([*names, *(role for role in TEXT_ROLES if role in schema)]))
    segment = incident.suspected_segment
    best: list[tuple[float, float, RecordBatch]] = []
    for page in read_in_steps(reader, names, end - monitor.window, end):
        logged = with_signals(keep_monitored(page, monitor), monitor.signals)
        records = _of_segment(protect_values(logged, monitor, stored_columns(monitor, [scores.column])), segment)
        if scores.column not in records or not records.rows:
            continue
        values = scores.scores[assign_bins(records[scores.column], scores.layout)]
        for row in np.lexsort((-records.times, -values))[:most]:
            if values[row] > 0:
                best.append((float(values[row]), float(records.times[row]), records.take(np.array([row]))))
        best = sorted(best, key=lambda one: (-one[0], -one[1]))[:most]
    shown = [scores.column, *ALWAYS, *monitor.segments, *TEXT_ROLES]
    return [ExampleRecord(datetime.fromtimestamp(at, UTC), _show(records, shown)) for _, at, records in best]


def _of_segment(records: RecordBatch, segment: str | None) -> RecordBatch:
    """Return the records of a segment; all if it is no column of the records."""
    column, _, value = (segment or "").partition("=")
    if column not in records:
        return records
    chosen = [category(one) == value for one in records[column].values]
    return records.take(np.array(chosen, dtype=bool) & ~records[column].missing)


def _show(record: RecordBatch, names: Sequence[str]) -> dict[str, str]:
    present = [name for name in dict.fromkeys(names) if name in record and not record[name].missing[0]]
    return {name: show_value(record[name].values[0]) for name in present}
