"""Served traffic: exclude records whose answers were not shown to users, such as evaluations and challengers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from detectors.binning import to_categories
from monitor.config.arms import Experiment, Shadow
from monitor.config.models import Monitor
from monitor.core.record_batch import RecordBatch


@dataclass(frozen=True)
class UnservedRecords:
    """Selects records that are not served traffic: those with certain values of a column in a time range."""

    column: str
    values: tuple[str, ...]
    start: datetime | None = None
    end: datetime | None = None

    def among(self, records: RecordBatch) -> np.ndarray:
        """Return whether each record is selected; none if the column is missing."""
        if self.column not in records or not self.values:
            return np.zeros(records.rows, dtype=bool)
        seconds = records.times
        first = -np.inf if self.start is None else self.start.timestamp()
        last = np.inf if self.end is None else self.end.timestamp()
        is_unserved: np.ndarray = np.isin(to_categories(records[self.column]), self.values)
        return is_unserved & (seconds >= first) & (seconds < last)


def find_unserved(monitor: Monitor) -> list[UnservedRecords]:
    """Return the selectors of all records that are not served traffic."""
    arms = [_unserved_arms(spec) for spec in monitor.comparisons if spec.unserved_arms]
    return [*arms, *_unserved_marks(monitor)]


def keep_served(records: RecordBatch, monitor: Monitor, comparison: Experiment | Shadow | None = None) -> RecordBatch:
    """Return the records of served traffic and, for a comparison, those of its own unserved arms."""
    left_out = np.zeros(records.rows, dtype=bool)
    for spec in monitor.comparisons:
        left_out |= _unserved_arms(spec).among(records)
    if comparison is not None:
        left_out &= ~_unserved_arms(comparison).among(records)
    for marked in _unserved_marks(monitor):
        left_out |= marked.among(records)
    return records.take(~left_out) if left_out.any() else records


def _unserved_arms(spec: Experiment | Shadow) -> UnservedRecords:
    return UnservedRecords(spec.arm, tuple(spec.unserved_arms), spec.start, spec.end)


def _unserved_marks(monitor: Monitor) -> list[UnservedRecords]:
    return [UnservedRecords(mark.column, tuple(mark.values)) for mark in monitor.traffic.values()]
