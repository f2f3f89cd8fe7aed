"""The scheduler: APScheduler wakes each job in a thread of its own, so that one that hangs or fails delays no other."""

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
"""After so many heartbeats without one, the scheduler counts as stopped."""


@dataclass(frozen=True)
class Job:
    """Work that is done again and again; a run that would begin before the one before has ended is left out."""

    name: str
    run: Callable[[], object]
    every: timedelta = timedelta(seconds=1)


class SchedulerStopped(Exception):  # noqa: N818
    """The scheduler wakes no jobs any more; only a new process helps."""


class Watchdog:
    """Notices that heartbeats stay away. It counts looks, not seconds: a process that was suspended missed none."""

    def __init__(self) -> None:
        self._missed = 0

    def beat(self) -> None:
        """Note that the scheduler wakes jobs."""
        self._missed = 0

    def look(self) -> None:
        """Raise :class:`SchedulerStopped` at the look that is one too many without a heartbeat."""
        self._missed += 1
        if self._missed > MOST_MISSED:
            raise SchedulerStopped(f"no job was woken for {MOST_MISSED * HEARTBEAT.total_seconds():g} s")


class JobScheduler:
    """Wakes jobs by their intervals until it is ended; ``heartbeat`` is a job of its own."""

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
        """Begin to wake jobs."""
        self._scheduler.start()

    def wait(self, stopping: threading.Event) -> None:
        """Wait until it is told to stop; raises :class:`SchedulerStopped` when no job is woken any more."""
        while not stopping.wait(HEARTBEAT.total_seconds()):
            self._watchdog.look()

    def end(self, seconds: float) -> list[str]:
        """Wake no more, and wait so long for what is at work; returns the names of the jobs that are abandoned."""
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
