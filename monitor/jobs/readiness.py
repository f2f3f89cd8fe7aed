"""Whether every monitor is current: the answer of /readyz, and the condition of a heartbeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.config.models import Monitor
from monitor.core.clock import Clock
from monitor.jobs.delivery import MOST_SKEW
from monitor.jobs.liveness import Liveness
from monitor.store.database import Database
from monitor.store.rows import WatchRow
from monitor.store.watches import load_watches

GRACE = timedelta(minutes=1)
NO_STORE = "driftd's own database does not answer"
"""The reason while the store cannot be read."""


@dataclass(frozen=True)
class Readiness:
    """What the store and this process tell about the monitors.

    Parameters
    ----------
    clock
        The clock of this host, which is compared with that of the store.
    """

    database: Database
    monitors: Sequence[Monitor]
    liveness: Liveness
    clock: Clock

    def find_reasons(self) -> list[str]:
        """Return why this process is not ready, by monitor; empty if it is. It reads the store once.

        Raises
        ------
        DatabaseError
            When the store does not answer; it may also hang, so call it with a deadline.
        """
        at, watches = load_watches(self.database, [monitor.name for monitor in self.monitors])
        return [reason for reason in self._check(at, watches) if reason]

    def _check(self, at: datetime, watches: dict[str, WatchRow]) -> Iterator[str | None]:
        progress, skew = self.liveness.progress, self.clock.now() - at
        yield self.liveness.watchdog.stopped()
        yield progress.standstill()
        if abs(skew) > MOST_SKEW:
            seconds = f"{skew.total_seconds():+.1f} s"
            yield f"the clock of this host differs by {seconds} from that of the store: no effect is delivered"
        for monitor in self.monitors:
            watch = watches.get(monitor.name)
            yield progress.failure(monitor.name) or unready(monitor.name, monitor.bucket, watch, at)


def overdue(name: str, bucket: timedelta, heartbeat: datetime | None, at: datetime) -> str | None:
    """Return why a monitor is overdue, or None if its last pass is at most 3 buckets and a minute old."""
    if heartbeat is None:
        return f"monitor {name}: no pass yet"
    age = at - heartbeat
    if age <= 3 * bucket + GRACE:
        return None
    return f"monitor {name}: the last pass was {int(age.total_seconds())} s ago"


def unready(name: str, bucket: timedelta, watch: WatchRow | None, at: datetime) -> str | None:
    """Return why a monitor is not ready, or None if its source was read at most 3 buckets and a minute ago."""
    if watch is None:
        return overdue(name, bucket, None, at)
    if watch.source_time is None:
        return f"monitor {name}: its source has never been read{f': {watch.error}' if watch.error else ''}"
    if watch.error and watch.error_since and at - watch.error_since > 3 * bucket + GRACE:
        seconds = int((at - watch.error_since).total_seconds())
        return f"monitor {name}: its source could not be read for {seconds} s: {watch.error}"
    return overdue(name, bucket, watch.seen_at, at)
