"""Sessions of the sources of monitors."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from monitor.config.models import Monitor
from monitor.core.clock import Clock, SystemClock
from monitor.jobs.label_overlay import LabelOverlayReader
from monitor.jobs.source_session import SourceSession
from monitor.sources.base import Reader
from monitor.sources.connect import connect_monitor
from monitor.store.database import Database


def open_session(database: Database, monitor: Monitor, clock: Clock) -> SourceSession:
    """Return a session that opens a monitor's source on first use.

    Buckets are sealed by the clock of the source, or by ``clock`` if it is not the system clock.
    """
    opener = partial(_connect, database, monitor)
    return SourceSession(opener, _source_time if isinstance(clock, SystemClock) else partial(_now, clock))


def _source_time(reader: Reader) -> datetime:
    return reader.now()


def _connect(database: Database, monitor: Monitor) -> Reader:
    return LabelOverlayReader(connect_monitor(monitor), database, monitor)


def _now(clock: Clock, _reader: Reader) -> datetime:
    return clock.now()
