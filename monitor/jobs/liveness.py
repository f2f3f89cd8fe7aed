"""Whether this process works: its watchdog, when a turn last ended, and which monitors' last turn failed."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

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

    def store_refuses(self) -> bool:
        """Return whether our database refused the last turn of a monitor, for example because its disk is full."""
        return bool(self._unwritable)


HeartbeatResult = Literal["sent", "failed", "withheld"]


@dataclass
class HeartbeatTally:
    """The heartbeats of this process to the dead-man service by result, for `/metrics`."""

    counts: dict[HeartbeatResult, int] = field(default_factory=lambda: {"sent": 0, "failed": 0, "withheld": 0})
    sent_at: datetime | None = None
    is_configured: bool = False


@dataclass(frozen=True)
class Liveness:
    """What `/healthz`, `/readyz` and the metrics of this process answer from."""

    watchdog: Watchdog = field(default_factory=Watchdog)
    progress: Progress = field(default_factory=Progress)
    heartbeats: HeartbeatTally = field(default_factory=HeartbeatTally)


def _describe_store(error: Exception) -> str:
    """Return an error of the store that quotes no values: it concerns the store as a whole, and no row."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return f"driftd's own database refuses: {lines[0][:LONGEST_REASON]}" if lines else type(error).__name__
