"""Determine the due buckets of a monitor: live ones, those of its baseline, of backfills, and stale ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from monitor.checks.baseline import Baseline
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket, floor, latest_sealed_end, missing
from monitor.jobs.source_session import SourceSession
from monitor.store import buckets
from monitor.store.database import Database
from monitor.store.spans import add_span, advance_span, list_spans

MOST_SETTLES = 4
"""Maximum delay of a bucket for open transactions that are older than its end, in multiples of `settle`."""


class BucketSchedule:
    """Yields the due buckets of a monitor in order."""

    def __init__(self, database: Database, monitor: Monitor, source: SourceSession) -> None:
        self._database = database
        self._monitor = monitor
        self._source = source

    def prepare(self, now: datetime) -> None:
        """Start the live span if there is none."""
        with self._database.read() as connection:
            spans = list_spans(connection, self._monitor.name)
        if not any(span.kind == "live" for span in spans):
            with self._database.write() as connection:
                start = live_start(self._monitor, self._source, now)
                add_span(connection, self._monitor.name, "live", start, None)

    def due(self, baseline: Baseline | None) -> Iterator[Bucket]:
        """Yield the due buckets, oldest first; those of a baseline that is being learnt precede all others."""
        monitor, until = self._monitor, self._sealed_until()
        with self._database.read() as connection:
            spans = list_spans(connection, monitor.name)
            stale = buckets.stale_starts(connection, monitor.name)
        if baseline is not None and baseline.state == "learning":
            spans = [span for span in spans if span.kind == "baseline"]
            stale = [start for start in stale if _covers(baseline, start)]
        due: dict[datetime, Bucket] = {start: Bucket(start, start + monitor.bucket) for start in stale}
        for span in spans:
            with self._database.write() as connection:
                done = buckets.finished_starts(connection, monitor.name, span.next, span.end)
                advance_span(connection, monitor.name, span, monitor.bucket, done)
            due.update({each.start: each for each in missing(span, until, monitor.bucket, done | set(due))})
        yield from (due[start] for start in sorted(due))

    def _sealed_until(self) -> datetime:
        """Return the time before which no more rows are expected."""
        monitor, now = self._monitor, self._source.now()
        until = latest_sealed_end(now, monitor.bucket, monitor.settle)
        longest_wait = until + MOST_SETTLES * monitor.settle
        if now < longest_wait and self._source.reader.quiet_since(until) is False:
            return until - monitor.bucket
        return until


def live_start(monitor: Monitor, source: SourceSession, now: datetime) -> datetime:
    """Return the start of the live buckets of a monitor that starts now."""
    earliest = now - monitor.catch_up
    if monitor.start is not None:
        start = monitor.start
    elif monitor.baseline.end is not None:
        start = max(monitor.baseline.end, earliest)
    elif monitor.baseline.file is not None:
        start = max(source.reader.oldest() or now, earliest)
    else:
        start = now
    return floor(start, monitor.bucket)


def _covers(baseline: Baseline, start: datetime) -> bool:
    """Return whether a bucket belongs to the range of a baseline."""
    return baseline.start is not None and baseline.end is not None and baseline.start <= start < baseline.end
