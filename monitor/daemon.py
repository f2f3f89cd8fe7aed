"""START HERE. The daemon: its jobs, their schedule and its shutdown.

Each monitor and each receiver has a job of its own. Jobs share only the database, so a hanging source or receiver
delays no other. APScheduler runs them (`jobs/scheduler.py`); `core/schedule.py` computes which buckets are due,
`jobs/monitor_job.py` is a turn of a monitor, and `pipeline.py` processes one bucket.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from monitor.actions.receivers.base import Receiver
from monitor.core.clock import Clock
from monitor.jobs.catch_up import CatchUpJob
from monitor.jobs.delivery import Configs, deliver_due, expire_late
from monitor.jobs.evals.schedule import SuiteSchedule
from monitor.jobs.liveness import Liveness
from monitor.jobs.monitor_job import MonitorJob
from monitor.jobs.recovery import release_orphaned
from monitor.jobs.scheduler import Job, JobScheduler
from monitor.jobs.turns import try_catch_up, try_turn
from monitor.store.database import Database

LOG = structlog.get_logger(__name__)
MonitorTask = TypeVar("MonitorTask", MonitorJob, CatchUpJob)
STOP_SECONDS = 4.0
"""Seconds that running buckets and deliveries have to end; abandoned ones are resumed when their lease expires."""
LONGEST_CATCH_UP = timedelta(hours=6)
"""Longest run of the jobs that read or count long ranges in one run."""


@dataclass
class Daemon:
    """Runs the jobs of all monitors until it is stopped."""

    database: Database
    monitors: Sequence[MonitorJob]
    receivers: Mapping[str, Receiver]
    clock: Clock
    catch_ups: Sequence[CatchUpJob] = ()
    configs: Configs = field(default_factory=dict)
    suites: SuiteSchedule | None = None
    every: timedelta = timedelta(seconds=1)
    stopping: threading.Event = field(default_factory=threading.Event)
    liveness: Liveness = field(default_factory=Liveness)
    receiver_jobs: Sequence[Job] = ()
    further_jobs: Sequence[Job] = ()
    reload: Callable[[], object] | None = None
    _scheduler: JobScheduler | None = None

    def run(self) -> bool:
        """Run all jobs until the daemon is stopped; return whether all of them have ended."""
        release_orphaned(self.database)
        self._scheduler = JobScheduler(list(self.jobs()), self.liveness.watchdog)
        self._scheduler.start()
        LOG.info("started", monitors=len(self.monitors))
        try:
            self._scheduler.wait(self.stopping)
        finally:
            ended = self._end(self._scheduler)
        return ended

    def jobs(self) -> Iterator[Job]:
        """Yield the jobs; each has a thread of its own and waits for no other."""
        every = self.every
        for monitor in self.monitors:
            monitor.lifecycle.sums_in_background = True
            yield Job(_job_name(monitor), partial(self.run_turns, monitor), every, monitor.close, subject=monitor)
        for one in self.catch_ups:
            name, catch_up = f"catch-up {one.monitor.name}", partial(try_catch_up, one)
            yield Job(name, catch_up, every, one.close, LONGEST_CATCH_UP, subject=one)
        for name in self.receivers:
            yield Job(f"receiver {name}", partial(self.deliver_to, name), every, subject=self)
        yield from self.receiver_jobs
        yield from self.further_jobs
        yield Job("outbox", self.tidy, every, subject=self)
        yield Job("baselines", self.compute_sums, every, limit=LONGEST_CATCH_UP, subject=self)
        if self.suites is not None:
            yield Job("evaluations", self.start_suites, every, subject=self)
        if self.reload is not None:
            yield Job("configuration", self.reload, every, subject=self)

    def take_over(self, other: Daemon) -> None:
        """Go on with what another daemon, which does not run, has been made of.

        A monitor whose settings are the same goes on with its connection and its baseline in memory. One that is
        replaced or removed ends after its present bucket; what it has stored stays.
        """
        before = [*self.monitors, *self.catch_ups]
        self.monitors = [_find_same(self.monitors, one) for one in other.monitors]
        self.catch_ups = [_find_same(self.catch_ups, one) for one in other.catch_ups]
        if dict(self.receivers) != dict(other.receivers):
            self.receiver_jobs = other.receiver_jobs
        self.receivers, self.configs, self.further_jobs = other.receivers, other.configs, other.further_jobs
        if self.suites is None or other.suites is None or self.suites.jobs != other.suites.jobs:
            stopped, self.suites = self.suites, other.suites
            if stopped is not None:
                stopped.stop()
        self.liveness.progress.keep([one.monitor.name for one in self.monitors])
        if self._scheduler is not None:
            self._scheduler.replace(list(self.jobs()))
        kept = sum(one in before for one in self.monitors)
        LOG.info("monitors_replaced", kept=kept, new=len(self.monitors) - kept)

    def _end(self, scheduler: JobScheduler) -> bool:
        abandoned = scheduler.end(STOP_SECONDS)
        if self.suites is not None:
            self.suites.stop()
        if abandoned:
            LOG.warning("abandoned", jobs=abandoned)
            return False
        LOG.info("stopped")
        return True

    def stop(self) -> None:
        """Request every job to end after its current bucket or delivery."""
        self.stopping.set()

    def tick_all(self) -> None:
        """Run turns of every monitor until none has due buckets left."""
        finished = 1
        while finished and not self.stopping.is_set():
            finished = sum(self.try_turn(job) for job in self.monitors)
            for catch_up in self.catch_ups:
                try_catch_up(catch_up)

    def run_turns(self, job: MonitorJob) -> None:
        """Run turns of one monitor until it has no due buckets left."""
        while self.try_turn(job) and not self._is_over(job):
            pass

    def try_turn(self, job: MonitorJob) -> int:
        """Run one turn; a failure does not affect other monitors. Return the number of finished buckets."""
        return try_turn(job, self.clock, self.liveness.progress, partial(self.turn, job))

    def turn(self, job: MonitorJob) -> int:
        """Compute the due buckets of one monitor; return the number of finished buckets."""

        def note_bucket() -> None:
            self.liveness.progress.note()
            self.liveness.watchdog.beat(_job_name(job))

        return job.take_turn(partial(self._is_over, job), note_bucket)

    def _is_over(self, job: MonitorJob) -> bool:
        """Return whether a monitor must not begin another bucket: the daemon stops, or its settings were replaced."""
        return self.stopping.is_set() or all(job is not one for one in self.monitors)

    def compute_sums(self) -> None:
        """Compute the sums of baselines that turns have requested, one at a time, since each occupies a core."""
        for monitor in self.monitors:
            if not self.stopping.is_set():
                monitor.lifecycle.compute_sum()

    def start_suites(self) -> None:
        """Start the due evaluations, unless the daemon is stopping."""
        if self.suites is not None and not self.stopping.is_set():
            self.suites.turn(self.clock.now())

    def deliver(self) -> int:
        """Deliver all due actions, one receiver after the other."""
        return self.tidy() + sum(self.deliver_to(name) for name in self.receivers)

    def deliver_to(self, name: str | None) -> int:
        """Deliver the due actions of one receiver; None ends those of receivers that are no longer configured."""
        try:
            config = self.configs.get(name) if name else None
            return deliver_due(self.database, self.receivers, self.clock, name, self.stopping.is_set, config)
        except Exception:  # noqa: BLE001  the next wake tries again
            LOG.exception("deliver_failed", receiver=name)
            return 0

    def tidy(self) -> int:
        """Expire late actions, and end those whose receiver is no longer configured."""
        try:
            expire_late(self.database, self.clock)
        except Exception:  # noqa: BLE001  the next wake tries again
            LOG.exception("expire_failed")
        return self.deliver_to(None)


def _job_name(job: MonitorJob) -> str:
    return f"monitor {job.monitor.name}"


def _find_same(running: Sequence[MonitorTask], made: MonitorTask) -> MonitorTask:
    """Return the running job of a monitor if its settings are the same, otherwise the one that was made."""
    return next((one for one in running if one.has_settings_of(made)), made)
