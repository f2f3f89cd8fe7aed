"""Real values for the tests of Evidently: a bounded sample of rows, read when the tests run, and never stored.

The counts of a profile say how many values each bin has; the sample says which values lie in a bin. So the tests get
real values in the proportions of the whole window and of the reference that it is compared with, be it of a season or a
segment. A bin of which the sample has no value keeps its middle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import structlog

from detectors.binning import numbers
from detectors.profile import Profile
from detectors.records import Column, concatenate
from monitor.checks.baseline import Baseline
from monitor.checks.evidently import Request, StatTestResult, measure_in_child
from monitor.config.models import Monitor
from monitor.core.record_batch import RecordBatch
from monitor.profiling.signals import with_signals
from monitor.profiling.source_columns import columns_to_read
from monitor.sources.base import Reader, SourceError
from monitor.sources.traffic_roles import keep_monitored

LOG = structlog.get_logger(__name__)
ROWS = 4000
"""Maximum number of sampled rows of each side."""
SLICES = 40
"""Number of ranges that are read of a range with more rows, evenly spaced."""
Measure = Callable[[Sequence[Request]], Sequence[StatTestResult]]


_samples: dict[str, tuple[tuple[object, ...], RecordBatch]] = {}
"""Samples of baselines by monitor, with what they are of: in memory only, so that each is read once."""


@dataclass(frozen=True)
class RowStattests:
    """Runs the tests of a window on values of its rows and of those of its baseline.

    Parameters
    ----------
    end
        End of the window.
    measure
        Runs the tests.
    """

    reader: Reader
    monitor: Monitor
    baseline: Baseline | None
    end: datetime
    measure: Measure = measure_in_child

    def __call__(self, requests: Sequence[Request]) -> Sequence[StatTestResult]:
        """Return the results, in order of the requests; of the middles of bins if rows cannot be read."""
        numeric = sorted({one.column for one in requests if one.kind == "numeric"})
        if not numeric or self.baseline is None:
            return self.measure(requests)
        try:
            sides = self._sample(self.baseline, numeric)
        except SourceError as error:
            LOG.warning("stattests_without_rows", monitor=self.monitor.name, reason=error.reason)
            return self.measure(requests)
        return self.measure([_refine(one, *sides) if one.kind == "numeric" else one for one in requests])

    def _sample(self, baseline: Baseline, names: Sequence[str]) -> tuple[RecordBatch, RecordBatch]:
        """Return the sampled values of the baseline and of the window."""
        window = self._read(baseline, names, self.end - self.monitor.window, self.end)
        key = (baseline.layout, baseline.start, baseline.end, *names)
        stored = _samples.get(self.monitor.name)
        if stored is not None and stored[0] == key:
            return stored[1], window
        before = RecordBatch({})
        if baseline.start is not None and baseline.end is not None:
            before = self._read(baseline, names, baseline.start, baseline.end)
        _samples[self.monitor.name] = (key, before)
        return before, window

    def _read(self, baseline: Baseline, names: Sequence[str], start: datetime, end: datetime) -> RecordBatch:
        """Read a range, or slices of it if it has more rows than are needed; return columns of a sample of the rows."""
        layouts = {name: baseline.layouts[name] for name in names}
        columns = columns_to_read(self.monitor, layouts, self.reader.schema())
        chance = np.random.default_rng(0)
        pages: list[RecordBatch] = []
        for first, last in self._slices(start, end):
            for read in self.reader.read(first, last, columns):
                page = keep_monitored(read, self.monitor)
                pages.append(page.take(np.sort(chance.permutation(page.rows)[:ROWS])))
        drawn = RecordBatch(concatenate(pages))
        chosen = drawn.take(np.sort(chance.permutation(drawn.rows)[:ROWS])) if pages else drawn
        return with_signals(chosen, self.monitor.signals).select(names)

    def _slices(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        rows = self.reader.counts(start, end).rows
        if rows <= 2 * ROWS:
            yield start, end
            return
        step = (end - start) / SLICES
        length = max(step * (ROWS / rows), timedelta(seconds=1))
        for place in range(SLICES):
            first = start + place * step
            yield first, min(first + length, end)


def _refine(request: Request, baseline: RecordBatch, window: RecordBatch) -> Request:
    """Return the request with values of rows."""
    if request.profiles is None:
        return request
    before, after = request.profiles
    return replace(
        request,
        baseline=choose_values(before, request.baseline, baseline.get(request.column)),
        window=choose_values(after, request.window, window.get(request.column)),
    )


def choose_values(profile: Profile, middles: Sequence[float | str], column: Column | None) -> Sequence[float | str]:
    """Replace the middles of bins by values of a sample in the same bins.

    Parameters
    ----------
    middles
        Values that were reconstructed from a numeric profile, in order of the bins.
    column
        The sample; None if it does not have the column.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> layout = learn_numeric(np.array([0.0, 1.0, 2.0, 3.0]), 0.0, 3.0, bins=2)
    >>> profile = Profile.of(Column.of([0.5, 0.7, 2.5]), layout)
    >>> choose_values(profile, [0.5, 0.5, 2.0], Column.of([0.7, 0.5, 9.0]))
    [0.5, 0.7, 2.0]
    """
    if column is None or not len(column):
        return middles
    edges = profile.layout.edges
    logged, _ = numbers(column)
    logged = np.sort(logged[np.isfinite(logged)])
    values = np.array(middles, dtype=np.float64)
    wanted, given = (np.searchsorted(edges, side, side="right") for side in (values, logged))
    for place in np.unique(wanted):
        inside, at = logged[given == place], np.flatnonzero(wanted == place)
        if len(inside):  # evenly over the sorted values, so that their distribution within the bin stays
            values[at] = inside[np.linspace(0, len(inside) - 1, len(at)).round().astype(int)]
    return [float(value) for value in values]
