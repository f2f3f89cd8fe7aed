"""Learn, freeze, calibrate and renew the baseline of one monitor by the table of `monitor/baselines/lifecycle.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from monitor.baselines.lifecycle import BaselineState, Event, Step, next_transition
from monitor.checks.baseline import Baseline
from monitor.checks.calibration_settings import definition as calibration_definition
from monitor.config.models import Monitor
from monitor.jobs.baseline_events import BaselineEvents
from monitor.jobs.baseline_learning import start_learning, store_file_baseline
from monitor.jobs.baseline_store import BaselineStore
from monitor.jobs.baseline_sum import BaselineSum, SumRequest
from monitor.jobs.baseline_sums import BaselineSums
from monitor.jobs.source_session import SourceSession
from monitor.store.database import Database


class BaselineLifecycle:
    """Manages the baseline of one monitor.

    Its sums and thresholds take long to compute: :meth:`compute_sum` does so at once, or in a job of its own if
    ``sums_in_background`` is set. The previous ones are used until the new ones are stored.
    """

    def __init__(self, database: Database, monitor: Monitor, source: SourceSession) -> None:
        self.baseline: Baseline | None = None
        self.sums_in_background = False
        self._database = database
        self._monitor = monitor
        self._source = source
        self._stored = BaselineStore(database, monitor)
        self._events = BaselineEvents(database, source)
        self._sums = BaselineSums(database)
        self._sum = BaselineSum()
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
        """Return the state of the baseline."""
        if self.baseline is None:
            return "absent"
        return "learning" if self.baseline.state == "learning" else "active"

    @property
    def definition(self) -> str:
        """Return the fingerprint of the settings of the baseline."""
        return self._stored.definition

    @property
    def reason(self) -> str:
        """Return why there is no baseline, if there is none."""
        return self._events.reason

    def advance(self, now: datetime) -> None:
        """Perform at most one due step of the lifecycle."""
        stored = self._stored.find()
        if stored and (self.baseline is None or self.baseline.standing != stored):
            self._reload()
        if self._sum.is_pending:
            if self._sum.finish(stored):
                self._reload()
            return
        if stored is None and self.baseline is not None:
            self._take("definition_changed", now)
        self._take(self._events.find(self._monitor, self.baseline, now), now)

    def compute_sum(self) -> bool:
        """Compute a requested sum, which the next turn of the monitor stores; return whether there was one."""
        return self._sum.compute()

    def _take(self, event: Event | None, now: datetime) -> None:
        transition = next_transition(self.state, event)
        if transition is not None:
            self._steps[transition.step](now)

    def _forget(self, _now: datetime) -> None:
        self.baseline = None

    def _read_file(self, _now: datetime) -> None:
        store_file_baseline(self._database, self._monitor, self._source.reader)
        self._reload()

    def _start_learning(self, now: datetime) -> None:
        start, end = self._events.learning_range(self._monitor, now)
        start_learning(self._database, self._monitor, self._source.reader, start, end)
        self._reload()

    def _freeze(self, _now: datetime) -> None:
        if self.baseline is not None:
            self._request(self._sums.freeze(self._monitor, self.baseline, self._source.reader.schema()))

    def _add_labels(self, _now: datetime) -> None:
        if self.baseline is not None:
            self._request(self._sums.add_labels(self._monitor, self.baseline))

    def _calibrate(self, _now: datetime) -> None:
        if self.baseline is None:
            return
        request = self._sums.calibrate(self._monitor, self.baseline)
        if request is None:
            self._stored.save_fixed_thresholds(self.baseline, calibration_definition(self._monitor))
            self._reload()
        self._request(request)

    def _renew(self, now: datetime) -> None:
        if self.baseline is not None:
            self._request(self._sums.renew(self._monitor, self.baseline, now))

    def _request(self, request: SumRequest | None) -> None:
        """Request a sum; compute and store it at once unless a job does so in the background."""
        if request is None:
            return
        self._sum.request(request)
        if not self.sums_in_background:
            self.compute_sum()
            self._sum.finish(request.standing)
            self._reload()

    def _reload(self) -> None:
        self.baseline = self._stored.load()
