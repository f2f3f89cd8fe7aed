"""Watch: one monitor at work. Which buckets it owes, what it compares with, whether it can see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from detectors.profile import Profile
from monitor.baselines import definition_v1
from monitor.baselines.definition import definition
from monitor.checks.anchor import with_anchor
from monitor.checks.baseline import Baseline, previous_stretch
from monitor.checks.calibrate import Calibration
from monitor.checks.calibrate import definition as calibration_of
from monitor.checks.comparisons import Comparisons
from monitor.checks.evaluation import MonitorPlan
from monitor.config.models import Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.core.schedule import Bucket, floor, latest_sealed_end, missing
from monitor.core.tasks import Later, Summing, at_once
from monitor.jobs import build_baseline
from monitor.jobs.experiments import ComparisonCatchUp
from monitor.jobs.label_overlay import Labelled
from monitor.jobs.what_if import Saving
from monitor.pipeline import BucketCache
from monitor.profiling.features import Choice
from monitor.sources.base import Reader
from monitor.store import baselines, buckets, incidents, leases
from monitor.store.database import Database

LOG = structlog.get_logger(__name__)
AUDITS_A_PASS = 20
RENEW_EVERY = timedelta(days=1)
Spans = Sequence[tuple[datetime, datetime]]
Store = Callable[[Baseline], None]


class Watch:
    """A monitor with its reader, its baseline and its debts.

    Parameters
    ----------
    connect
        Opens the reader of the source; called again after an error.
    source_time
        The clock that seals buckets, by default the source database's own.
    later
        Does what takes long: sums and thresholds of a baseline. Until they are there the old ones hold.
    """

    def __init__(
        self,
        database: Database,
        monitor: Monitor,
        connect: Callable[[], Reader],
        source_time: Callable[[Reader], datetime] = lambda reader: reader.now(),
        later: Later = at_once,
        receivers: Mapping[str, ReceiverConfig] | None = None,
    ) -> None:
        self.database = database
        self.monitor = monitor
        self.owner = leases.new_owner()
        self.baseline: Baseline | None = None
        self.without_baseline = "no_baseline: it has not been learnt yet"
        self.noted_at: datetime | None = None
        self.cache = BucketCache()
        self.comparisons = Comparisons(monitor)
        self.comparing = ComparisonCatchUp(database, self.comparisons, receivers or {})
        self.saving = Saving(database, monitor)
        self._summing = Summing(later)
        self._compared_with_version_1 = False
        self._previous: tuple[str, datetime, Mapping[str | None, Mapping[str, Profile]]] | None = None
        self._connect = connect
        self._prepared_at: datetime | None = None
        self._source_time = source_time
        self._reader: Reader | None = None

    @property
    def reader(self) -> Reader:
        """Return the open reader, opening it when there is none."""
        if self._reader is None:
            self._reader = self._connect()
        return self._reader

    def bucket_reader(self, *, labels_imported: bool | None) -> Reader:
        """Return the reader of a bucket: it does not ask our database what the bucket before has told."""
        reader = self.reader
        return reader.assuming(imported=labels_imported) if isinstance(reader, Labelled) else reader

    def close(self) -> None:
        """Give the connections back; the next use opens new ones."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def now(self) -> datetime:
        """Return the time that seals buckets."""
        return self._source_time(self.reader)

    @property
    def prepared_at(self) -> datetime:
        """Return the time that seals buckets when the turn began."""
        return self._prepared_at or self.now()

    def plan(self, bucket: Bucket) -> MonitorPlan:
        """Return what a bucket is compared with."""
        baseline = self.baseline
        if baseline is not None and baseline.state == "active":
            baseline = self.with_previous(baseline, bucket)
        return MonitorPlan(self.monitor, self.comparisons, baseline, self.without_baseline)

    @property
    def definition(self) -> str:
        """Return the fingerprint of what the baseline measures."""
        return definition(self.monitor)

    def prepare(self) -> None:
        """Open what is owed: the live span, and a baseline to compare with."""
        now = self._prepared_at = self.now()
        self.comparing.prepare(self.reader)
        with self.database.read() as connection:
            spans = buckets.list_spans(connection, self.monitor.name)
            standing = baselines.newest_id(connection, self.monitor.name, self.definition)
        if standing is None and not self._compared_with_version_1:
            standing = self._take_over()
        if standing and (self.baseline is None or self.baseline.standing != standing):
            with self.database.read() as connection:
                self.baseline = baselines.newest(connection, self.monitor.name, self.definition)
        if not any(span.kind == "live" for span in spans):
            with self.database.write() as connection:
                buckets.add_span(connection, self.monitor.name, "live", self._live_start(now), None)
        if self._summing.busy:
            if self._summing.finish(standing):
                self._reload()
        elif standing is None:
            self.baseline = None
            self._learn(now)
        elif self.baseline is not None and self.baseline.state == "learning":
            self._freeze(self.baseline)
        elif self.baseline is not None and self.baseline.calibration.definition != calibration_of(self.monitor):
            self._calibrate(self.baseline)
        elif self.baseline is not None and self.monitor.baseline.rolling:
            self._renew(self.baseline, now)
        elif self.baseline is not None:
            self._take_up_labels(self.baseline, now)

    def _take_over(self) -> tuple[int, str, str] | None:
        """Give a baseline of an earlier release the fingerprint of this one, if it measures what is asked for."""
        self._compared_with_version_1 = True
        name = self.monitor.name
        with self.database.read() as connection:
            stored = baselines.version_1_fingerprints(connection, name)
        same = [old for old in stored if definition_v1.recognises(self.monitor, old)]
        if not same:
            if stored:
                LOG.warning(
                    "baseline_not_taken_over",
                    monitor=name,
                    detail="it was learnt for other settings; with the settings of then it is used again",
                )
            return None
        with self.database.write() as connection:
            baselines.redefine(connection, name, same, self.definition)
            LOG.info("baseline_taken_over", monitor=name)
            return baselines.newest_id(connection, name, self.definition)

    def due(self) -> Iterator[Bucket]:
        """Yield the buckets that are owed, oldest first; a baseline's own before those that need it."""
        until = self._sealed()
        with self.database.read() as connection:
            spans = buckets.list_spans(connection, self.monitor.name)
            stale = buckets.stale_starts(connection, self.monitor.name)
        learning = self.baseline is not None and self.baseline.state == "learning"
        if learning:
            spans = [span for span in spans if span.kind == "baseline"]
            stale = [start for start in stale if self._in_baseline(start)]
        owed: dict[datetime, Bucket] = {start: Bucket(start, start + self.monitor.bucket) for start in stale}
        for span in spans:
            with self.database.write() as connection:
                done = buckets.finished_starts(connection, self.monitor.name, span.next, span.end)
                buckets.advance_span(connection, self.monitor.name, span, self.monitor.bucket, done)
            owed.update({b.start: b for b in missing(span, until, self.monitor.bucket, done | set(owed))})
        yield from (owed[start] for start in sorted(owed))

    def with_previous(self, baseline: Baseline, bucket: Bucket) -> Baseline:
        """Return a baseline with what lies before a bucket's window, where windows are compared with that."""
        length = self.monitor.baseline.previous
        if length is None or (baseline.end is not None and bucket.end <= baseline.end):
            return baseline
        start, end = previous_stretch(self.monitor, length, bucket.end - self.monitor.window)
        if self._previous is None or self._previous[:2] != (baseline.layout, end):
            profiles = build_baseline.sum_previous(self.database, self.monitor, baseline, start, end)
            self._previous = baseline.layout, end, profiles
        return replace(baseline, previous=self._previous[2])

    def audit(self) -> None:
        """Count sealed buckets again; one whose count has changed is owed again."""
        now = self.now()
        due = [now - age for age in self.monitor.audit_ages]
        with self.database.read() as connection:
            rows = buckets.to_audit(connection, self.monitor.name, due, AUDITS_A_PASS)
        for row in rows:
            counts = self.reader.counts(row.start, row.start + self.monitor.bucket)
            before = (row.source_rows, row.source_labels, row.source_feedback)
            changed = (counts.rows, counts.labels, counts.feedback) != before
            late = max(0, counts.rows - row.source_rows)
            with self.database.write() as connection:
                buckets.record_audit(connection, self.monitor.name, row, changed=changed, late=late)

    def catch_up(self) -> None:
        """Count for the experiments what lies before the buckets that counted for them."""
        self.comparing.catch_up(self.reader, self.now())
        self.saving.catch_up(self.reader, self.now())

    def _sealed(self) -> datetime:
        monitor, now = self.monitor, self.now()
        until = latest_sealed_end(now, monitor.bucket, monitor.settle)
        patience_ends = until + 4 * monitor.settle
        if now < patience_ends and self.reader.quiet_since(until) is False:
            return until - monitor.bucket
        return until

    def _live_start(self, now: datetime) -> datetime:
        monitor = self.monitor
        earliest = now - monitor.catch_up
        if monitor.start is not None:
            start = monitor.start
        elif monitor.baseline.end is not None:
            start = max(monitor.baseline.end, earliest)
        elif monitor.baseline.file is not None:
            start = max(self.reader.oldest() or now, earliest)
        else:
            start = now
        return floor(start, monitor.bucket)

    def _learn(self, now: datetime) -> None:
        monitor = self.monitor
        if monitor.baseline.file is not None:
            self._learn_file()
            return
        start, end = build_baseline.baseline_range(monitor, self._live_start_known(now))
        if latest_sealed_end(now, monitor.bucket, monitor.settle) < end:
            self.without_baseline = f"no_baseline: its range ends at {end.isoformat()}, which is still to come"
            return
        found = self.reader.counts(start, end).rows
        if found < monitor.baseline.min_rows:
            self.without_baseline = (
                f"no_baseline: {found} rows from {start.isoformat()} to {end.isoformat()}, "
                f"{monitor.baseline.min_rows} needed"
            )
            return
        layouts = build_baseline.learn_layouts(self.reader, monitor, start, end, self._log_choices)
        with self.database.write() as connection:
            again = buckets.finished_starts(connection, monitor.name, start, end + monitor.window)
            buckets.mark_stale(connection, monitor.name, sorted(again))
            buckets.add_span(connection, monitor.name, "baseline", start, end)
            baselines.start_learning(connection, monitor.name, self.definition, layouts, start, end)
        LOG.info("baseline_learning", monitor=monitor.name, rows=found, columns=len(layouts))
        self._reload()

    def _live_start_known(self, now: datetime) -> datetime:
        if self.monitor.baseline.rolling and self.monitor.start is None:
            return floor(now - self.monitor.settle, self.monitor.bucket)
        return self._live_start(now)

    def _learn_file(self) -> None:
        built = build_baseline.baseline_from_file(self.monitor, self.reader.schema(), self._log_choices)
        with self.database.write() as connection:
            baselines.start_learning(connection, self.monitor.name, self.definition, built.layouts, None, None)
            standing = baselines.newest_id(connection, self.monitor.name, self.definition)
            if standing is not None:
                baselines.freeze(connection, standing[0], built, built.facts)
        self._reload()

    def _log_choices(self, choices: Sequence[Choice]) -> None:
        """Log which columns a new baseline leaves out and why, and which hold personal data and were asked for."""
        left_out = {choice.name: choice.reason for choice in choices if choice.kind is None}
        LOG.info("columns_not_watched", monitor=self.monitor.name, columns=left_out)
        for choice in choices:
            if choice.personal:
                LOG.warning(
                    "personal_data_in_baseline", monitor=self.monitor.name, column=choice.name, detail=choice.reason
                )

    def _in_baseline(self, start: datetime) -> bool:
        span = self.baseline
        return span is not None and span.start is not None and span.end is not None and span.start <= start < span.end

    def _freeze(self, learning: Baseline) -> None:
        """Freeze the sum when every bucket of the range is finished over these bins."""
        if learning.start is None or learning.end is None:
            return
        with self.database.read() as connection:
            done = buckets.finished_starts(connection, self.monitor.name, learning.start, learning.end)
        if len(done) < (learning.end - learning.start) // self.monitor.bucket:
            return
        schema = self.reader.schema()
        with self.database.read() as connection:
            _, labels = buckets.count_records(connection, self.monitor.name, learning.start, learning.end)

        def store(summed: Baseline) -> None:
            with self.database.write() as connection:
                facts = {**summed.facts, "schema": schema, "labels": labels}
                baselines.freeze(connection, learning.id, summed, facts)
            for problem in summed.review.problems if summed.review else ():
                LOG.warning("baseline_problem", monitor=self.monitor.name, kind=problem.kind, detail=problem.text)
            said = summed.calibration.reason
            LOG.info("baseline_frozen", monitor=self.monitor.name, rows=summed.rows, thresholds=said)

        self._sum(learning, learning.start, learning.end, [], store)

    def _take_up_labels(self, old: Baseline, now: datetime) -> None:
        """Sum a fixed baseline again, over the same bins, when a quarter more of its labels has come, and when all."""
        if old.start is None or old.end is None or not (self.monitor.performance or self.monitor.rates):
            return
        with self.database.read() as connection:
            _, labels = buckets.count_records(connection, self.monitor.name, old.start, old.end)
        known = int(old.facts.get("labels", 0))
        complete = now > old.end + self.monitor.labels_after + 2 * self.monitor.window
        if labels < known * (1.01 if complete else 1.25) + self.monitor.min_samples:
            return
        start, end = old.start, old.end

        def store(summed: Baseline) -> None:
            with self.database.write() as connection:
                facts = {**summed.facts, "schema": dict(old.traffic.schema), "labels": labels}
                baselines.renew(connection, old, self.monitor.name, self.definition, summed, facts, start, end)
            LOG.info("baseline_labels_taken_up", monitor=self.monitor.name, labels=labels, before=known)

        self._sum(old, start, end, [], store)

    def _calibrate(self, baseline: Baseline) -> None:
        """Set the thresholds again, for other rules, checks or another budget, over the same buckets."""

        def store(again: Baseline) -> None:
            with self.database.write() as connection:
                baselines.save_calibration(connection, baseline.id, again)
            LOG.info("calibrated", monitor=self.monitor.name, said=again.calibration.reason)

        if baseline.start is None or baseline.end is None:
            store(replace(baseline, calibration=Calibration(definition=calibration_of(self.monitor))))
            self._reload()
            return
        with self.database.read() as connection:
            bad = incidents.firing_during(connection, self.monitor.name, baseline.start, baseline.end)
        self._sum(baseline, baseline.start, baseline.end, bad, store)

    def _renew(self, old: Baseline, now: datetime) -> None:
        """Move a rolling baseline on once a day, over the same bins, leaving incidents out."""
        rolling = self.monitor.baseline.rolling
        end = latest_sealed_end(now, self.monitor.bucket, self.monitor.settle) - self.monitor.window
        if rolling is None or old.end is None or end - old.end < RENEW_EVERY:
            return
        start = end - rolling
        with self.database.read() as connection:
            bad = incidents.firing_during(connection, self.monitor.name, start, end)

        def store(summed: Baseline) -> None:
            if summed.rows < self.monitor.baseline.min_rows:
                return
            facts = {**summed.facts, "schema": dict(old.traffic.schema), **with_anchor(old, summed)}
            with self.database.write() as connection:
                baselines.renew(connection, old, self.monitor.name, self.definition, summed, facts, start, end)

        self._sum(old, start, end, bad, store)

    def _sum(self, baseline: Baseline, start: datetime, end: datetime, without: Spans, store: Store) -> None:
        """Begin to sum a stretch up and to learn its thresholds; what is there at once is stored at once."""
        work = partial(build_baseline.sum_buckets, self.database, self.monitor, baseline, start, end, without)
        if self._summing.begin(work, baseline.standing, store):
            self._reload()

    def _reload(self) -> None:
        with self.database.read() as connection:
            self.baseline = baselines.newest(connection, self.monitor.name, self.definition)
