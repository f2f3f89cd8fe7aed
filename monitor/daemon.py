"""START HERE. The daemon: its jobs, their schedule, and how it ends.

Each monitor has a job of its own, and so has each receiver: they share nothing but the database, so a source or a
receiver that hangs delays itself alone. APScheduler only wakes them; which buckets are due is arithmetic
(`core/schedule.py`), a turn of a monitor is `jobs/monitor_job.py`, one bucket from top to bottom is `pipeline.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from functools import partial

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from monitor.actions.receivers.base import Receiver
from monitor.config.receivers import ReceiverConfig
from monitor.core.clock import Clock
from monitor.jobs.delivery import deliver_due, expire_late
from monitor.jobs.monitor_job import MonitorJob
from monitor.jobs.source_health import record_heartbeat, record_source_error
from monitor.sources.base import SourceError
from monitor.store import buckets, outbox
from monitor.store.database import Database

LOG = structlog.get_logger(__name__)
STOP_SECONDS = 4.0
"""How long the buckets and deliveries at work may take to end; what is abandoned is taken up again by its lease."""
STANDSTILL = timedelta(minutes=2)
"""Without a finished bucket or turn of any monitor for so long, the daemon is not ready."""


@dataclass
class Daemon:
    """Runs the jobs of all monitors until it is told to stop."""

    database: Database
    monitors: Sequence[MonitorJob]
    receiver_configs: Mapping[str, ReceiverConfig]
    receivers: Mapping[str, Receiver]
    clock: Clock
    every: timedelta = timedelta(seconds=1)
    stopping: threading.Event = field(default_factory=threading.Event)
    progress_at: float = field(default_factory=time.monotonic)

    def run(self) -> bool:
        """Wake every job until it is told to stop; returns whether all of them have come to their end."""
        with self.database.write() as connection:
            buckets.free_the_dead(connection)
            outbox.free_the_dead(connection)
        jobs = dict(self.jobs())
        scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(len(jobs))})
        wake = {"seconds": self.every.total_seconds(), "coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        at_work: set[str] = set()
        for name, job in jobs.items():
            scheduler.add_job(_run_marked, "interval", args=(at_work, name, job), id=name, **wake)
        scheduler.start()
        LOG.info("started", monitors=len(self.monitors))
        self.stopping.wait()
        return self._end(scheduler, at_work)

    def jobs(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield what is done side by side, by name: one job a monitor, one a receiver, and one for what has none."""
        for job in self.monitors:
            yield f"monitor {job.monitor.name}", partial(self.work_off, job)
        for name in self.receivers:
            yield f"receiver {name}", partial(self.deliver_to, name)
        yield "outbox", self.tidy

    def _end(self, scheduler: BackgroundScheduler, at_work: set[str]) -> bool:
        ending = threading.Thread(target=scheduler.shutdown, name="ending", daemon=True)
        ending.start()
        ending.join(STOP_SECONDS)
        if ending.is_alive():
            LOG.warning("abandoned", jobs=sorted(at_work))
            return False
        for job in self.monitors:
            job.close()
        LOG.info("stopped")
        return True

    def stop(self) -> None:
        """Ask every job to end after the bucket and the delivery at hand."""
        self.stopping.set()

    def standstill(self) -> str | None:
        """Return why the daemon counts as standing still, None when some monitor went on lately."""
        seconds = time.monotonic() - self.progress_at
        if seconds < STANDSTILL.total_seconds():
            return None
        return f"no monitor has finished a bucket or a turn for {int(seconds)} s; the log says why"

    def tick_all(self) -> None:
        """Give every monitor its turn, again and again while any has buckets left to work off."""
        while sum(self.safely(job) for job in self.monitors) and not self.stopping.is_set():
            pass

    def work_off(self, job: MonitorJob) -> None:
        """Give one monitor its turn, again and again while it has buckets left to work off."""
        while self.safely(job) and not self.stopping.is_set():
            pass

    def safely(self, job: MonitorJob) -> int:
        """Take one turn; one that fails does not stop the others. Returns the finished buckets."""
        try:
            finished = self.turn(job)
            record_heartbeat(job, self.clock.now(), news=finished > 0)
            self.note_progress()
            return finished
        except SourceError as error:
            record_source_error(job, error, self.receiver_configs, self.clock.now())
            self.note_progress()
        except Exception:  # noqa: BLE001  one bad neighbour cannot stop the others
            LOG.exception("turn_failed", monitor=job.monitor.name)
        return 0

    def turn(self, job: MonitorJob) -> int:
        """Let one monitor compute what is due; returns the finished buckets."""
        return job.take_turn(self.stopping.is_set, self.note_progress)

    def note_progress(self) -> None:
        """Note that some monitor goes on."""
        self.progress_at = time.monotonic()

    def deliver(self) -> int:
        """Empty the outbox of what is due, one receiver after the other."""
        return self.tidy() + sum(self.deliver_to(name) for name in self.receivers)

    def deliver_to(self, name: str | None) -> int:
        """Send what is due to one receiver; with None end what is due to receivers that are not configured any more."""
        try:
            return deliver_due(self.database, self.receivers, self.clock, name, self.stopping.is_set)
        except Exception:  # noqa: BLE001  the next wake tries again
            LOG.exception("deliver_failed", receiver=name)
            return 0

    def tidy(self) -> int:
        """End the actions that are too late, and those that nobody can receive."""
        try:
            expire_late(self.database, self.clock)
        except Exception:  # noqa: BLE001  the next wake tries again
            LOG.exception("expire_failed")
        return self.deliver_to(None)


def _run_marked(at_work: set[str], name: str, job: Callable[[], object]) -> None:
    """Do a job, and be seen at it."""
    at_work.add(name)
    try:
        job()
    finally:
        at_work.discard(name)
