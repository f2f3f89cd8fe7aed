"""The scheduler: APScheduler runs each job in a thread of its own, so that a hanging or failing job delays no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from functools import partial

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from monitor.jobs.watchdog import EVERY, Watchdog

LOG = structlog.get_logger(__name__)
LONGEST = timedelta(hours=1)
"""Longest run of a job without progress; the lease of a bucket is renewed for half as long."""
MAIN, SCHEDULER = "the main loop", "the scheduler"
"""The parts that give a sign of life every second."""


MOST_THREADS = 10_000
"""Above any number of jobs; a thread is only started when no other is idle."""


@dataclass(frozen=True)
class Job:
    """A periodic job; a run is skipped if the previous one has not ended. ``close`` is called after the last run.

    The watchdog ends the process if a run takes longer than ``limit`` without progress. Jobs with the same name,
    interval and ``subject``, which is what they work with, are the same; a job without a subject is the same as itself.
    """

    name: str
    run: Callable[[], object]
    every: timedelta = timedelta(seconds=1)
    close: Callable[[], object] | None = None
    limit: timedelta = LONGEST
    subject: object = field(default_factory=object, compare=False)

    def is_same(self, other: Job | None) -> bool:
        """Return whether another job does the same with the same."""
        return (
            other is not None and (self.name, self.every) == (other.name, other.every) and self.subject is other.subject
        )


class JobScheduler:
    """Runs jobs at their intervals until it is stopped; its sign of life is a job of its own."""

    def __init__(self, jobs: Sequence[Job], watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._at_work: dict[str, Job] = {}
        self._sign_of_life = Job("heartbeat", partial(self._watchdog.beat, SCHEDULER), EVERY, subject=self)
        options = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        executors = {"default": ThreadPoolExecutor(MOST_THREADS, {"thread_name_prefix": "job"})}
        self._scheduler = BackgroundScheduler(timezone=UTC, executors=executors, job_defaults=options)
        self.replace(jobs)

    def replace(self, jobs: Sequence[Job]) -> None:
        """Run these jobs from now on.

        A job that is the same as before goes on. One that is not among them any more is closed after its present run;
        another one of its name begins only then.
        """
        wanted = {job.name: job for job in (*jobs, self._sign_of_life)}
        with self._lock:
            retired = [job for job in self._jobs.values() if not job.is_same(wanted.get(job.name))]
            for job in retired:
                del self._jobs[job.name]
            added = [job for job in wanted.values() if job.name not in self._jobs]
            self._jobs.update({job.name: job for job in added})
            idle = [job for job in retired if self._at_work.get(job.name) is not job]
        for job in retired:
            self._scheduler.remove_job(job.name)
        for job in idle:
            _close(job)
        for job in added:
            self._scheduler.add_job(self._run, "interval", args=(job,), id=job.name, seconds=job.every.total_seconds())

    def start(self) -> None:
        """Start running jobs."""
        self._watchdog.watch(SCHEDULER)
        self._watchdog.watch(MAIN)
        self._scheduler.start()

    def wait(self, stopping: threading.Event) -> None:
        """Wait until ``stopping`` is set."""
        while not stopping.wait(EVERY.total_seconds()):
            self._watchdog.beat(MAIN)

    def end(self, seconds: float) -> list[str]:
        """Start no more jobs, and wait up to ``seconds`` for running ones; return the names of abandoned jobs.

        If none is abandoned, all are closed.
        """
        self._watchdog.forget(SCHEDULER)
        self._watchdog.forget(MAIN)
        ending = threading.Thread(target=self._scheduler.shutdown, name="ending", daemon=True)
        ending.start()
        ending.join(seconds)
        if ending.is_alive():
            return sorted(self._at_work)
        for job in self._jobs.values():
            _close(job)
        return []

    def _run(self, job: Job) -> None:
        with self._lock:
            if job.name in self._at_work or self._jobs.get(job.name) is not job:
                return  # its predecessor has not ended, or it was retired
            self._at_work[job.name] = job
        self._watchdog.watch(job.name, job.limit)
        try:
            job.run()
        except Exception:  # noqa: BLE001  the next run tries again
            LOG.exception("job_failed", job=job.name)
        finally:
            self._watchdog.forget(job.name)
            with self._lock:
                del self._at_work[job.name]
                is_retired = self._jobs.get(job.name) is not job
            if is_retired:
                _close(job)


def _close(job: Job) -> None:
    try:
        if job.close is not None:
            job.close()
    except Exception:  # noqa: BLE001  a connection that cannot be closed must not keep others open
        LOG.exception("job_not_closed", job=job.name)
