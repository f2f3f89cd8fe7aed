"""Detect the events of a monitor's baseline, from its configuration, the time and the stored buckets."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.baselines.learning_range import baseline_range
from monitor.baselines.lifecycle import Event
from monitor.checks.baseline import Baseline
from monitor.checks.calibration_settings import definition as calibration_definition
from monitor.config.models import Monitor
from monitor.core.schedule import floor, latest_sealed_end
from monitor.jobs.bucket_schedule import live_start
from monitor.jobs.source_session import SourceSession
from monitor.store import buckets
from monitor.store.database import Database

RENEW_EVERY = timedelta(days=1)
MORE_LABELS = 1.25
"""Growth of the number of labels, as a factor, at which a fixed baseline is summed again."""
MORE_LABELS_AT_THE_END = 1.01
"""The factor once the time for all of its labels to arrive has passed."""


class BaselineEvents:
    """Detects the next event; ``reason`` tells why a baseline cannot be learnt yet."""

    def __init__(self, database: Database, source: SourceSession) -> None:
        self.reason = "no_baseline: none has been learnt yet"
        self._database = database
        self._source = source

    def find(self, monitor: Monitor, baseline: Baseline | None, now: datetime) -> Event | None:
        """Return the next event of the baseline, or None."""
        if baseline is None:
            if monitor.baseline.file is not None:
                return "file_configured"
            return "range_complete" if self._is_range_complete(monitor, now) else None
        if baseline.state == "learning":
            return "buckets_finished" if self._are_buckets_finished(monitor, baseline) else None
        if baseline.calibration.definition != calibration_definition(monitor):
            return "calibration_outdated"
        if monitor.baseline.rolling:
            return "renewal_due" if _is_renewal_due(monitor, baseline, now) else None
        return "labels_arrived" if self._have_labels_arrived(monitor, baseline, now) else None

    def learning_range(self, monitor: Monitor, now: datetime) -> tuple[datetime, datetime]:
        """Return the range to learn a baseline from."""
        if monitor.baseline.rolling and monitor.start is None:
            return baseline_range(monitor, floor(now - monitor.settle, monitor.bucket))
        return baseline_range(monitor, live_start(monitor, self._source, now))

    def _is_range_complete(self, monitor: Monitor, now: datetime) -> bool:
        """Return whether the configured range has ended with enough rows; if not, set ``reason``."""
        start, end = self.learning_range(monitor, now)
        if latest_sealed_end(now, monitor.bucket, monitor.settle) < end:
            self.reason = f"no_baseline: its range ends at {end.isoformat()}, which is in the future"
            return False
        rows, needed = self._source.reader.counts(start, end).rows, monitor.baseline.min_rows
        if rows < needed:
            self.reason = f"no_baseline: {rows} rows from {start.isoformat()} to {end.isoformat()}, {needed} needed"
            return False
        return True

    def _are_buckets_finished(self, monitor: Monitor, learning: Baseline) -> bool:
        """Return whether every bucket of the range has been profiled over the bins of the baseline."""
        if learning.start is None or learning.end is None:
            return False
        with self._database.read() as connection:
            done = buckets.finished_starts(connection, monitor.name, learning.start, learning.end)
        return len(done) >= (learning.end - learning.start) // monitor.bucket

    def _have_labels_arrived(self, monitor: Monitor, old: Baseline, now: datetime) -> bool:
        """Return whether a fixed baseline has a quarter more labels than when it was summed, or all of them."""
        if old.start is None or old.end is None or not (monitor.performance or monitor.rates):
            return False
        complete = now > old.end + monitor.labels_after + 2 * monitor.window
        factor = MORE_LABELS_AT_THE_END if complete else MORE_LABELS
        with self._database.read() as connection:
            labels = buckets.count_records(connection, monitor.name, old.start, old.end)[1]
        return labels >= int(old.facts.get("labels", 0)) * factor + monitor.min_samples


def renewal_end(monitor: Monitor, now: datetime) -> datetime:
    """Return the end of a rolling baseline that is renewed now: before the newest window."""
    return latest_sealed_end(now, monitor.bucket, monitor.settle) - monitor.window


def _is_renewal_due(monitor: Monitor, old: Baseline, now: datetime) -> bool:
    return old.end is not None and renewal_end(monitor, now) - old.end >= RENEW_EVERY
