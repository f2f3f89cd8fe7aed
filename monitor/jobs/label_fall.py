"""Detect a lasting fall of the labelled performance within a rolling baseline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from detectors import PERFORMANCE
from detectors.binning import Binning
from detectors.outcome import OUTCOME
from detectors.performance.fall import find_fall
from detectors.performance.metrics import METRICS
from detectors.performance.tables import labelled_table
from detectors.stack import Stack
from monitor.config.models import Monitor
from monitor.profiling.stretch import profile_buckets
from monitor.sources.base import Reader

FOLLOWED = {"scores": "accuracy", "errors": "mae"}
"""Metric in which a fall is searched, by kind of the outcome."""
TINY = 1e-12


@dataclass(frozen=True)
class LabelFall:
    """A lasting fall of the labelled performance; ``at`` is certainly before it."""

    at: datetime
    metric: str
    before: float
    after: float

    def sentence(self) -> str:
        """Return the note on the labels that the baseline excludes."""
        return (
            f"the baseline uses labels up to {self.at.isoformat()} only, "
            f"because the {self.metric} changed from {self.before:.3g} to {self.after:.3g} then"
        )


def find_label_fall(
    reader: Reader, monitor: Monitor, layout: Binning | None, start: datetime, end: datetime
) -> LabelFall | None:
    """Search the windows of a range for a lasting fall of the labelled performance."""
    if layout is None or layout.kind not in FOLLOWED:
        return None
    metric, length = FOLLOWED[layout.kind], monitor.window // monitor.bucket
    alone = monitor.model_copy(update={"signals": [], "segments": []})
    profiles = [
        profiler.profiles()[None][OUTCOME]
        for _, profiler in profile_buckets(reader, alone, {OUTCOME: layout}, start, end)
    ]
    windows = Stack.of(profiles, layout).windows(length)
    ends = np.arange(length - 1, len(profiles), length)
    ends = ends[windows.n[ends] >= monitor.min_samples]
    if not len(ends):
        return None
    values, _ = METRICS[metric](labelled_table(windows.take(ends)))
    signed = values if layout.kind == "scores" else -np.log(np.maximum(values, TINY))
    first = find_fall(signed, PERFORMANCE[metric].threshold)
    if first is None:
        return None
    at = start + (int(ends[first - 1]) - length + 1) * monitor.bucket
    return LabelFall(at, metric, float(values[:first].mean()), float(values[first:].mean()))
