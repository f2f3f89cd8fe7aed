"""START HERE. The daemon: wait, due buckets, tick, deliver, heartbeat; and the signals that end it.

Two loops share nothing but the database: `tick` computes buckets, `deliver` empties the outbox, so that a
hung webhook cannot delay a bucket. APScheduler only wakes them; which buckets are due is arithmetic
(`schedule.py`), one bucket from top to bottom is `tick.py`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from types import FrameType

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from monitor.channels.base import Channel
from monitor.clock import Clock
from monitor.config import ActionSpec
from monitor.failures import note_failure, note_sight, reason_to_give_up
from monitor.outbox import deliver_due
from monitor.sources.base import SourceError
from monitor.store import buckets, outbox
from monitor.store.database import Database
from monitor.tick import tick
from monitor.watch import Watch

LOG = structlog.get_logger(__name__)
BUCKETS_A_TURN = 20


@dataclass
class Daemon:
    """Runs the watches until it is told to stop."""

    database: Database
    watches: Sequence[Watch]
    actions: Mapping[str, ActionSpec]
    channels: Mapping[str, Channel]
    clock: Clock
    every: timedelta = timedelta(seconds=1)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Wake both loops until a signal comes; returns within 10 seconds of it."""
        with self.database.write() as connection:
            buckets.free_the_dead(connection)
            outbox.free_the_dead(connection)
        scheduler = BackgroundScheduler(timezone=UTC)
        wake = {"seconds": self.every.total_seconds(), "coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        scheduler.add_job(self.tick_all, "interval", id="tick", **wake)
        scheduler.add_job(self.deliver, "interval", id="deliver", **wake)
        scheduler.start()
        LOG.info("started", monitors=len(self.watches))
        self.stopping.wait()
        scheduler.shutdown(wait=True)
        for watch in self.watches:
            watch.close()
        LOG.info("stopped")

    def stop(self, number: int = 0, _frame: FrameType | None = None) -> None:
        """Ask both loops to end after the bucket and the delivery at hand."""
        LOG.info("stopping", signal=signal.Signals(number).name if number else None)
        self.stopping.set()

    def tick_all(self) -> None:
        """Give every monitor its turn, again and again while any has buckets left to work off."""
        while sum(self.safely(watch) for watch in self.watches) and not self.stopping.is_set():
            pass

    def safely(self, watch: Watch) -> int:
        """Take one turn; one that fails does not stop the others. Returns the finished buckets."""
        try:
            finished = self.turn(watch)
            note_sight(watch, self.clock.now(), news=finished > 0)
            return finished
        except SourceError as error:
            note_failure(watch, error, self.actions, self.clock.now())
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
                outcome = tick(watch, held, self.actions)
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
        """Empty the outbox of what is due."""
        try:
            return deliver_due(self.database, self.channels, self.clock)
        except Exception:  # noqa: BLE001  the next wake tries again
            LOG.exception("deliver_failed")
            return 0
