"""The scheduler: APScheduler runs each job in a thread of its own, so that a hanging or failing job delays no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Job:
    """A periodic job; a run is skipped if the previous one has not ended. ``close`` is called after the last run.

    The watchdog ends the process if a run takes longer than ``limit`` without progress.
    """

    name: str
    run: Callable[[], object]
    every: timedelta = timedelta(seconds=1)
    close: Callable[[], object] | None = None
    limit: timedelta = LONGEST


class JobScheduler:
    """Runs jobs at their intervals until it is stopped; its sign of life is a job of its own."""

    def __init__(self, jobs: Sequence[Job], watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._at_work: set[str] = set()
        jobs = [*jobs, Job("heartbeat", partial(self._watchdog.beat, SCHEDULER), EVERY)]
        options = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        executors = {"default": ThreadPoolExecutor(len(jobs), {"thread_name_prefix": "job"})}
        self._scheduler = BackgroundScheduler(timezone=UTC, executors=executors, job_defaults=options)
        for job in jobs:
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
        """Start no more jobs, and wait up to ``seconds`` for running ones; return the names of abandoned jobs."""
        self._watchdog.forget(SCHEDULER)
        self._watchdog.forget(MAIN)
        ending = threading.Thread(target=self._scheduler.shutdown, name="ending", daemon=True)
        ending.start()
        ending.join(seconds)
        return sorted(self._at_work) if ending.is_alive() else []

    def _run(self, job: Job) -> None:
        self._at_work.add(job.name)
        self._watchdog.watch(job.name, job.limit)
        try:
            job.run()
        except Exception:  # noqa: BLE001  the next run tries again
            LOG.exception("job_failed", job=job.name)
        finally:
            self._at_work.discard(job.name)
            self._watchdog.forget(job.name)
