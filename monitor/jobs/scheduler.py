"""The scheduler: APScheduler runs each job in a thread of its own, so that a hanging or failing job delays no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

LOG = structlog.get_logger(__name__)
HEARTBEAT = timedelta(seconds=1)
MOST_MISSED = 120
"""Missed heartbeats after which the scheduler counts as stopped."""


@dataclass(frozen=True)
class Job:
    """A periodic job; a run is skipped if the previous one has not ended. ``close`` is called after the last run."""

    name: str
    run: Callable[[], object]
    every: timedelta = timedelta(seconds=1)
    close: Callable[[], object] | None = None


class SchedulerStopped(Exception):  # noqa: N818
    """The scheduler no longer runs jobs; the process must be restarted."""


class Watchdog:
    """Detects missing heartbeats. It counts checks, not seconds, so that a suspended process misses none."""

    def __init__(self) -> None:
        self._missed = 0

    def beat(self) -> None:
        """Record a heartbeat of the scheduler."""
        self._missed = 0

    def look(self) -> None:
        """Check for a heartbeat; raise :class:`SchedulerStopped` after too many checks without one."""
        self._missed += 1
        if self._missed > MOST_MISSED:
            raise SchedulerStopped(f"no job was started for {MOST_MISSED * HEARTBEAT.total_seconds():g} s")


class JobScheduler:
    """Runs jobs at their intervals until it is stopped; the heartbeat is a job of its own."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._watchdog = Watchdog()
        self._at_work: set[str] = set()
        jobs = [*jobs, Job("heartbeat", self._watchdog.beat, HEARTBEAT)]
        options = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        executors = {"default": ThreadPoolExecutor(len(jobs), {"thread_name_prefix": "job"})}
        self._scheduler = BackgroundScheduler(timezone=UTC, executors=executors, job_defaults=options)
        for job in jobs:
            self._scheduler.add_job(self._run, "interval", args=(job,), id=job.name, seconds=job.every.total_seconds())

    def start(self) -> None:
        """Start running jobs."""
        self._scheduler.start()

    def wait(self, stopping: threading.Event) -> None:
        """Wait until ``stopping`` is set; raise :class:`SchedulerStopped` if the scheduler no longer runs jobs."""
        while not stopping.wait(HEARTBEAT.total_seconds()):
            self._watchdog.look()

    def end(self, seconds: float) -> list[str]:
        """Start no more jobs, and wait up to ``seconds`` for running ones; return the names of abandoned jobs."""
        ending = threading.Thread(target=self._scheduler.shutdown, name="ending", daemon=True)
        ending.start()
        ending.join(seconds)
        return sorted(self._at_work) if ending.is_alive() else []

    def _run(self, job: Job) -> None:
        self._at_work.add(job.name)
        try:
            job.run()
        except Exception:  # noqa: BLE001  the next run tries again
            LOG.exception("job_failed", job=job.name)
        finally:
            self._at_work.discard(job.name)
