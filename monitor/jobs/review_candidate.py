"""Review the range of a future baseline before it is learnt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from detectors.binning import Binning
from monitor.baselines.learning_range import baseline_range
from monitor.checks.baseline_problems import review_baseline
from monitor.checks.baseline_review import Review, sentences
from monitor.config.models import ConfigError, Monitor
from monitor.core.record_batch import RecordBatch
from monitor.core.schedule import floor
from monitor.jobs.learn_layouts import learn_layouts
from monitor.profiling.stretch import merge_versions, profile_buckets
from monitor.profiling.timeline import Timeline
from monitor.sources.base import Reader, SourceError

MOST_ROWS = 100_000
"""Of a range with more buckets, an evenly spaced part is read."""


def review_candidate(reader: Reader, monitor: Monitor) -> Review | None:
    """Review the range of a future baseline; None if it is a file, too short, or in the future.

    Only logged columns are reviewed, since signals would have to be computed for every record.
    """
    if monitor.baseline.file is not None:
        return None
    now = reader.now()
    start, end = baseline_range(monitor, now - monitor.settle)
    oldest = reader.oldest()
    if oldest is None or end > now:
        return None
    start = max(start, floor(oldest, monitor.bucket))
    rows = reader.counts(start, end).rows if start < end else 0
    if rows < monitor.baseline.min_rows:
        return None
    logged = monitor.model_copy(update={"signals": [], "checks": [], "segments": []})
    thin = _Thinned(reader, logged, -(-rows // MOST_ROWS))
    layouts = learn_layouts(thin, logged, start, end)
    return _review(thin, logged, layouts, start, end)


def _review(thin: _Thinned, monitor: Monitor, layouts: Mapping[str, Binning], start: datetime, end: datetime) -> Review:
    timeline = Timeline.of_baseline(monitor, layouts, start, end)
    versions: dict[str, dict[str, list[float]]] = {}
    for bucket, profiler in profile_buckets(thin, monitor, layouts, start, end):
        if thin.reads(bucket.start):
            timeline.add(bucket.start, profiler.facts.rows, profiler.profiles())
            merge_versions(versions, profiler.facts)
    return review_baseline(monitor, timeline, versions)


class _Thinned:
    """Reads every n-th bucket of a source."""

    def __init__(self, reader: Reader, monitor: Monitor, every: int) -> None:
        self._reader, self._bucket, self._every = reader, monitor.bucket, every

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._reader, name)

    def reads(self, start: datetime) -> bool:
        """Return whether a bucket is read."""
        return int(start.timestamp() // self._bucket.total_seconds()) % self._every == 0

    def read(self, start: datetime, end: datetime, columns: Sequence[str]) -> Iterator[RecordBatch]:
        """Read the selected buckets of a range; the whole range at once if every bucket is selected."""
        if self._every == 1:
            yield from self._reader.read(start, end, columns)
            return
        at = start
        while at < end:
            if self.reads(at):
                yield from self._reader.read(at, min(at + self._bucket, end), columns)
            at += self._bucket


def candidate_notes(reader: Reader, monitor: Monitor) -> tuple[Review | None, list[str]]:
    """Return the review of a candidate and the notes on it, including read errors."""
    try:
        review = review_candidate(reader, monitor)
    except (SourceError, ConfigError) as error:
        return None, [f"the range of the baseline could not be read: {error}"]
    return review, sentences(review)
