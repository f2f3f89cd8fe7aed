"""The baseline of one monitor: learnt, frozen, calibrated and renewed as `monitor/baselines/lifecycle.py` says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from detectors.profile import Profile
from monitor.baselines import definition_v1
from monitor.baselines.definition import definition
from monitor.baselines.learning_range import baseline_range
from monitor.baselines.lifecycle import BaselineState, Event, Step, next_transition
from monitor.checks.anchor import with_anchor
from monitor.checks.baseline import Baseline, previous_stretch
from monitor.checks.calibration import Calibration
from monitor.checks.calibration_settings import definition as calibration_definition
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket, floor, latest_sealed_end
from monitor.jobs.baseline_sum import BaselineSum
from monitor.jobs.bucket_schedule import live_start
from monitor.jobs.file_baseline import baseline_from_file
from monitor.jobs.learn_layouts import learn_layouts
from monitor.jobs.source_session import SourceSession
from monitor.jobs.sum_buckets import sum_buckets, sum_previous
from monitor.profiling.features import Choice
from monitor.store import baselines, buckets, incidents
from monitor.store.database import Database
from monitor.store.spans import add_span

LOG = structlog.get_logger(__name__)
RENEW_EVERY = timedelta(days=1)
MORE_LABELS = 1.25
"""A fixed baseline is summed again when it has so many times as many labels."""
MORE_LABELS_AT_THE_END = 1.01
"""The same once all of its labels had their time to arrive."""
Spans = Sequence[tuple[datetime, datetime]]
Store = Callable[[Baseline], None]


class BaselineLifecycle:
    """What the windows of a monitor are compared with.

    Its sums and thresholds take long to compute: :meth:`compute_sum` does so at once, or in a job of its own where
    ``sums_in_background`` is set. Until they are stored, the old ones are used.
    """

    def __init__(self, database: Database, monitor: Monitor, source: SourceSession) -> None:
        self.baseline: Baseline | None = None
        self.reason = "no_baseline: it has not been learnt yet"
        self._database = database
        self._monitor = monitor
        self._source = source
        self.sums_in_background = False
        self._sum = BaselineSum()
        self._compared_with_version_1 = False
        self._previous: tuple[str, datetime, Mapping[str | None, Mapping[str, Profile]]] | None = None
        self._steps: Mapping[Step, Callable[[datetime], None]] = {
            "read_file": self._read_file,
            "start_learning": self._start_learning,
            "freeze": self._freeze,
            "calibrate": self._calibrate,
            "renew": self._renew,
            "add_labels": self._add_labels,
            "forget": self._forget,
        }

    @property
    def state(self) -> BaselineState:
        """Return where the baseline is in its life."""
        if self.baseline is None:
            return "absent"
        return "learning" if self.baseline.state == "learning" else "active"

    @property
    def definition(self) -> str:
        """Return the fingerprint of what the baseline measures."""
        return definition(self._monitor)

    def advance(self, now: datetime) -> None:
        """Do what is due: at most one step of the lifecycle."""
        stored = self._find_stored()
        if stored and (self.baseline is None or self.baseline.standing != stored):
            self._reload()
        if self._sum.is_pending:
            if self._sum.finish(stored):
                self._reload()
            return
        if stored is None and self.baseline is not None:
            self._take(next_event="definition_changed", now=now)
        self._take(self._find_event(now), now)

    def compute_sum(self) -> bool:
        """Compute the sum that was requested; says whether there was one. The next turn of the monitor stores it."""
        return self._sum.compute()

    def compared_with(self, bucket: Bucket) -> Baseline | None:
        """Return the baseline for a bucket, with what lies before its window where windows are compared with that."""
        baseline, length = self.baseline, self._monitor.baseline.previous
        if baseline is None or baseline.state != "active" or length is None:
            return baseline
        if baseline.end is not None and bucket.end <= baseline.end:
            return baseline
        start, end = previous_stretch(self._monitor, length, bucket.end - self._monitor.window)
        if self._previous is None or self._previous[:2] != (baseline.layout, end):
            profiles = sum_previous(self._database, self._monitor, baseline, start, end)
            self._previous = baseline.layout, end, profiles
        return replace(baseline, previous=self._previous[2])

    def _take(self, next_event: Event | None, now: datetime) -> None:
        transition = next_transition(self.state, next_event)
        if transition is not None:
            self._steps[transition.step](now)

    def _find_stored(self) -> tuple[int, str, str] | None:
        """Return what tells the stored baseline from others; one of an earlier release is taken over once."""
        with self._database.read() as connection:
            stored = baselines.newest_id(connection, self._monitor.name, self.definition)
        if stored is None and not self._compared_with_version_1:
            stored = self._take_over()
        return stored

    def _take_over(self) -> tuple[int, str, str] | None:
        """Give a baseline of an earlier release the fingerprint of this one, if it measures what is asked for."""
        self._compared_with_version_1 = True
        name = self._monitor.name
        with self._database.read() as connection:
            stored = baselines.version_1_fingerprints(connection, name)
        same = [old for old in stored if definition_v1.recognises(self._monitor, old)]
        if not same:
            if stored:
                LOG.warning(
                    "baseline_not_taken_over",
                    monitor=name,
                    detail="it was learnt for other settings; with the settings of then it is used again",
                )
            return None
        with self._database.write() as connection:
            baselines.redefine(connection, name, same, self.definition)
            LOG.info("baseline_taken_over", monitor=name)
            return baselines.newest_id(connection, name, self.definition)

    # ---- events

    def _find_event(self, now: datetime) -> Event | None:
        """Return what has happened to the baseline, None for nothing."""
        baseline = self.baseline
        if baseline is None:
            if self._monitor.baseline.file is not None:
                return "file_configured"
            return "range_complete" if self._is_range_complete(now) else None
        if baseline.state == "learning":
            return "buckets_finished" if self._are_buckets_finished(baseline) else None
        if baseline.calibration.definition != calibration_definition(self._monitor):
            return "calibration_outdated"
        if self._monitor.baseline.rolling:
            return "renewal_due" if self._is_renewal_due(baseline, now) else None
        return "labels_arrived" if self._have_labels_arrived(baseline, now) else None

    def _is_range_complete(self, now: datetime) -> bool:
        """Say whether the configured range has ended with enough rows; if not, note why."""
        monitor, (start, end) = self._monitor, self._range(now)
        if latest_sealed_end(now, monitor.bucket, monitor.settle) < end:
            self.reason = f"no_baseline: its range ends at {end.isoformat()}, which is still to come"
            return False
        rows, needed = self._source.reader.counts(start, end).rows, monitor.baseline.min_rows
        if rows < needed:
            self.reason = f"no_baseline: {rows} rows from {start.isoformat()} to {end.isoformat()}, {needed} needed"
            return False
        return True

    def _range(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the range that a baseline is learnt from."""
        monitor = self._monitor
        if monitor.baseline.rolling and monitor.start is None:
            return baseline_range(monitor, floor(now - monitor.settle, monitor.bucket))
        return baseline_range(monitor, live_start(monitor, self._source, now))

    def _are_buckets_finished(self, learning: Baseline) -> bool:
        """Say whether every bucket of the range has been computed over the bins of the baseline."""
        if learning.start is None or learning.end is None:
            return False
        with self._database.read() as connection:
            done = buckets.finished_starts(connection, self._monitor.name, learning.start, learning.end)
        return len(done) >= (learning.end - learning.start) // self._monitor.bucket

    def _is_renewal_due(self, old: Baseline, now: datetime) -> bool:
        return old.end is not None and self._renewal_end(now) - old.end >= RENEW_EVERY

    def _renewal_end(self, now: datetime) -> datetime:
        monitor = self._monitor
        return latest_sealed_end(now, monitor.bucket, monitor.settle) - monitor.window

    def _have_labels_arrived(self, old: Baseline, now: datetime) -> bool:
        """Say whether a fixed baseline has a quarter more labels than it was summed with, or all of them."""
        monitor = self._monitor
        if old.start is None or old.end is None or not (monitor.performance or monitor.rates):
            return False
        complete = now > old.end + monitor.labels_after + 2 * monitor.window
        factor = MORE_LABELS_AT_THE_END if complete else MORE_LABELS
        return self._count_labels(old.start, old.end) >= int(old.facts.get("labels", 0)) * factor + monitor.min_samples

    def _count_labels(self, start: datetime, end: datetime) -> int:
        with self._database.read() as connection:
            return buckets.count_records(connection, self._monitor.name, start, end)[1]

    # ---- steps

    def _forget(self, _now: datetime) -> None:
        self.baseline = None

    def _read_file(self, _now: datetime) -> None:
        """Build the baseline of a file, which is active at once."""
        built = baseline_from_file(self._monitor, self._source.reader.schema(), self._log_choices)
        with self._database.write() as connection:
            baselines.start_learning(connection, self._monitor.name, self.definition, built.layouts, None, None)
            stored = baselines.newest_id(connection, self._monitor.name, self.definition)
            if stored is not None:
                baselines.freeze(connection, stored[0], built, built.facts)
        self._reload()

    def _start_learning(self, now: datetime) -> None:
        """Choose columns and bins, and make the buckets of the range due."""
        monitor, (start, end) = self._monitor, self._range(now)
        rows = self._source.reader.counts(start, end).rows
        layouts = learn_layouts(self._source.reader, monitor, start, end, self._log_choices)
        with self._database.write() as connection:
            again = buckets.finished_starts(connection, monitor.name, start, end + monitor.window)
            buckets.mark_stale(connection, monitor.name, sorted(again))
            add_span(connection, monitor.name, "baseline", start, end)
            baselines.start_learning(connection, monitor.name, self.definition, layouts, start, end)
        LOG.info("baseline_learning", monitor=monitor.name, rows=rows, columns=len(layouts))
        self._reload()

    def _log_choices(self, choices: Sequence[Choice]) -> None:
        """Log which columns a new baseline leaves out and why, and which hold personal data and were asked for."""
        left_out = {choice.name: choice.reason for choice in choices if choice.kind is None}
        LOG.info("columns_not_watched", monitor=self._monitor.name, columns=left_out)
        for choice in choices:
            if choice.personal:
                LOG.warning(
                    "personal_data_in_baseline", monitor=self._monitor.name, column=choice.name, detail=choice.reason
                )

    def _freeze(self, _now: datetime) -> None:
        """Sum the buckets of the range up, and learn their thresholds."""
        learning = self.baseline
        if learning is None or learning.start is None or learning.end is None:
            return
        schema = self._source.reader.schema()
        labels = self._count_labels(learning.start, learning.end)

        def store(summed: Baseline) -> None:
            with self._database.write() as connection:
                facts = {**summed.facts, "schema": schema, "labels": labels}
                baselines.freeze(connection, learning.id, summed, facts)
            for problem in summed.review.problems if summed.review else ():
                LOG.warning("baseline_problem", monitor=self._monitor.name, kind=problem.kind, detail=problem.text)
            thresholds = summed.calibration.reason
            LOG.info("baseline_frozen", monitor=self._monitor.name, rows=summed.rows, thresholds=thresholds)

        self._sum_up(learning, learning.start, learning.end, [], store)

    def _add_labels(self, _now: datetime) -> None:
        """Sum a fixed baseline again, over the same bins, with the labels that have arrived."""
        old = self.baseline
        if old is None or old.start is None or old.end is None:
            return
        start, end = old.start, old.end
        labels, before = self._count_labels(start, end), int(old.facts.get("labels", 0))

        def store(summed: Baseline) -> None:
            with self._database.write() as connection:
                facts = {**summed.facts, "schema": dict(old.traffic.schema), "labels": labels}
                baselines.renew(connection, old, summed, facts, start, end)
            LOG.info("baseline_labels_taken_up", monitor=self._monitor.name, labels=labels, before=before)

        self._sum_up(old, start, end, [], store)

    def _calibrate(self, _now: datetime) -> None:
        """Learn the thresholds again, for other rules, checks or another budget, over the same buckets."""
        baseline = self.baseline
        if baseline is None:
            return

        def store(again: Baseline) -> None:
            with self._database.write() as connection:
                baselines.save_calibration(connection, baseline.id, again)
            LOG.info("calibrated", monitor=self._monitor.name, said=again.calibration.reason)

        if baseline.start is None or baseline.end is None:
            store(replace(baseline, calibration=Calibration(definition=calibration_definition(self._monitor))))
            self._reload()
            return
        with self._database.read() as connection:
            bad = incidents.firing_during(connection, self._monitor.name, baseline.start, baseline.end)
        self._sum_up(baseline, baseline.start, baseline.end, bad, store)

    def _renew(self, now: datetime) -> None:
        """Move a rolling baseline on, over the same bins, leaving incidents out."""
        old, rolling, end = self.baseline, self._monitor.baseline.rolling, self._renewal_end(now)
        if old is None or rolling is None:
            return
        start = end - rolling
        with self._database.read() as connection:
            bad = incidents.firing_during(connection, self._monitor.name, start, end)

        def store(summed: Baseline) -> None:
            if summed.rows < self._monitor.baseline.min_rows:
                return
            facts = {**summed.facts, "schema": dict(old.traffic.schema), **with_anchor(old, summed)}
            with self._database.write() as connection:
                baselines.renew(connection, old, summed, facts, start, end)

        self._sum_up(old, start, end, bad, store)

    def _sum_up(self, baseline: Baseline, start: datetime, end: datetime, without: Spans, store: Store) -> None:
        """Sum a stretch up and learn its thresholds, or request that it be done."""
        work = partial(sum_buckets, self._database, self._monitor, baseline, start, end, without)
        self._sum.request(work, baseline.standing, store)
        if not self.sums_in_background:
            self.compute_sum()
            self._sum.finish(baseline.standing)
            self._reload()

    def _reload(self) -> None:
        with self._database.read() as connection:
            self.baseline = baselines.newest(connection, self._monitor.name, self.definition)
