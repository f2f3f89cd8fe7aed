"""Whether this process works: its watchdog, when a turn last ended, and which monitors' last turn failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args

from monitor.jobs.watchdog import Watchdog
from monitor.store.database import DatabaseError, is_unavailable

STANDSTILL = timedelta(minutes=2)
"""The daemon is not ready if no monitor has finished a bucket or a turn for this long."""
LONGEST_REASON = 200


class Progress:
    """What the turns of the monitors report, for `/readyz` and `/metrics`; other replicas are not considered."""

    def __init__(self) -> None:
        self.at = time.monotonic()
        self._lock = threading.Lock()
        self._failures: dict[str, str] = {}
        self._unwritable: set[str] = set()

    def note(self) -> None:
        """Record that a monitor has finished a bucket or a turn."""
        self.at = time.monotonic()

    def note_success(self, monitor: str) -> None:
        """Record that a turn has ended without an error, and no bucket waits for a retry."""
        with self._lock:
            self._failures.pop(monitor, None)
            self._unwritable.discard(monitor)

    def note_failure(self, monitor: str, error: Exception) -> None:
        """Record that a turn has failed, other than by an error of its source."""
        is_store = isinstance(error, DatabaseError) and is_unavailable(error)
        with self._lock:
            self._failures[monitor] = _describe_store(error) if is_store else f"{type(error).__name__}; see the log"
            (self._unwritable.add if is_store else self._unwritable.discard)(monitor)

    def standstill(self) -> str | None:
        """Return why the daemon is not ready, or None if a monitor has recently finished a bucket or a turn."""
        seconds = time.monotonic() - self.at
        if seconds < STANDSTILL.total_seconds():
            return None
        return f"no monitor has finished a bucket or a turn for {int(seconds)} s; see the log"

    def failure(self, monitor: str) -> str | None:
        """Return why the last turn of a monitor failed, or None."""
        with self._lock:
            reason = self._failures.get(monitor)
        return f"monitor {monitor}: the last turn failed: {reason}" if reason else None

    def keep(self, monitors: Collection[str]) -> None:
        """Forget what other monitors reported, which are no longer configured."""
        with self._lock:
            self._failures = {name: reason for name, reason in self._failures.items() if name in monitors}
            self._unwritable.intersection_update(monitors)

    def store_refuses(self) -> bool:
        """Return whether our database refused the last turn of a monitor, for example because its disk is full."""
        return bool(self._unwritable)


@dataclass
class ReloadTally:
    """Whether the last reload of the configuration was successful, and when one last was, for `/metrics`."""

    is_successful: bool = True
    succeeded_at: datetime | None = None


HeartbeatResult = Literal["sent", "failed", "withheld"]


@dataclass
class HeartbeatTally:
    """The heartbeats of this process to the dead-man service by result, for `/metrics`."""

    counts: dict[HeartbeatResult, int] = field(default_factory=dict)
    sent_at: datetime | None = None

    def count(self, result: HeartbeatResult) -> None:
        """Count a heartbeat; from the first one on, every result has a count."""
        before = dict.fromkeys(get_args(HeartbeatResult), 0) | self.counts
        self.counts = before | {result: before[result] + 1}


@dataclass(frozen=True)
class Liveness:
    """What `/healthz`, `/readyz` and the metrics of this process answer from."""

    watchdog: Watchdog = field(default_factory=Watchdog)
    progress: Progress = field(default_factory=Progress)
    heartbeats: HeartbeatTally = field(default_factory=HeartbeatTally)
    reloads: ReloadTally = field(default_factory=ReloadTally)


def _describe_store(error: Exception) -> str:
    """Return an error of the store that quotes no values: it concerns the store as a whole, and no row."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return f"driftd's own database refuses: {lines[0][:LONGEST_REASON]}" if lines else type(error).__name__
