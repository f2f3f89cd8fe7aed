"""START HERE. The daemon: wait, due buckets, tick, deliver; and how it ends.

Each monitor has a job of its own, and so has each receiver: they share nothing but the database, so a source or a
receiver that hangs delays itself alone. APScheduler only wakes them; which buckets are due is arithmetic
(`core/schedule.py`), one bucket from top to bottom is `pipeline.py`.
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
from monitor.jobs.source_health import reason_to_give_up, record_heartbeat, record_source_error
from monitor.jobs.watch import Watch
from monitor.pipeline import process_bucket
from monitor.sources.base import SourceError
from monitor.store import buckets, outbox
from monitor.store.database import Database

LOG = structlog.get_logger(__name__)
BUCKETS_A_TURN = 20
STOP_SECONDS = 4.0
"""How long the buckets and deliveries at work may take to end; what is abandoned is taken up again by its lease."""
STANDSTILL = timedelta(minutes=2)
"""Without a finished bucket or turn of any monitor for so long, the daemon is not ready."""


@dataclass
class Daemon:
    """Runs the watches until it is told to stop."""

    database: Database
    watches: Sequence[Watch]
    actions: Mapping[str, ReceiverConfig]
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
        LOG.info("started", monitors=len(self.watches))
        self.stopping.wait()
        return self._end(scheduler, at_work)

    def jobs(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield what is done side by side, by name: one job a monitor, one a receiver, and one for what has none."""
        for watch in self.watches:
            yield f"monitor {watch.monitor.name}", partial(self.work_off, watch)
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
        for watch in self.watches:
            watch.close()
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
        while sum(self.safely(watch) for watch in self.watches) and not self.stopping.is_set():
            pass

    def work_off(self, watch: Watch) -> None:
        """Give one monitor its turn, again and again while it has buckets left to work off."""
        while self.safely(watch) and not self.stopping.is_set():
            pass

    def safely(self, watch: Watch) -> int:
        """Take one turn; one that fails does not stop the others. Returns the finished buckets."""
        try:
            finished = self.turn(watch)
            record_heartbeat(watch, self.clock.now(), news=finished > 0)
            self.progress_at = time.monotonic()
            return finished
        except SourceError as error:
            record_source_error(watch, error, self.actions, self.clock.now())
            self.progress_at = time.monotonic()
        except Exception:  # noqa: BLE001  one bad neighbour cannot stop the others
            LOG.exception("turn_failed", monitor=watch.monitor.name)
        return 0

    def turn(self, watch: Watch) -> int:
        """Work off what one monitor owes, oldest first, a few buckets at a time so that the others get theirs."""
        watch.prepare()
        finished = 0
        for bucket in watch.due():
            if finished == BUCKETS_A_TURN or self.stopping.is_set():
                break
            with self.database.write() as connection:
                held = buckets.claim(connection, watch.monitor.name, bucket, watch.owner)
            if held is None or not self.compute(watch, held):
                break  # another replica has it or it is to be retried, and buckets of a monitor are judged in order
            self.progress_at = time.monotonic()
            finished += 1
        watch.audit()
        watch.catch_up()
        return finished

    def compute(self, watch: Watch, held: buckets.Claim) -> bool:
        """Tick one claimed bucket; says whether it has ended. What fails is put back, and given up the third time."""
        name, start = held.monitor, str(held.bucket.start)
        try:
            if reason := reason_to_give_up(watch, held):
                with self.database.write() as connection:
                    buckets.give_up(connection, held, reason)
                LOG.error("bucket_given_up", monitor=name, start=start, reason=reason)
                return True
            with buckets.renewing(self.database, held):
                plan = watch.plan(held.bucket)
                outcome = process_bucket(self.database, watch, plan, held, self.actions, watch.cache)
            LOG.debug("bucket", monitor=name, start=start, result=outcome.result)
        except buckets.FenceLost as lost:
            LOG.warning("fence_lost", detail=str(lost))
            return False
        except Exception as error:
            with self.database.write() as connection:
                ended = buckets.give_up_or_put_back(connection, held, error)
            if buckets.is_passing(error):
                raise
            LOG.exception("bucket_failed", monitor=name, start=start, attempt=held.attempts, given_up=ended)
            return ended
        return True

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
