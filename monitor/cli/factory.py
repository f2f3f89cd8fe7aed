"""Make the objects by hand, from the configuration; nothing registers itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from monitor.actions.receivers import make_receivers
from monitor.config.models import Config, Monitor
from monitor.core.clock import Clock, SystemClock
from monitor.daemon import Daemon
from monitor.jobs.catch_up import CatchUpJob
from monitor.jobs.label_overlay import LabelOverlayReader
from monitor.jobs.monitor_job import MonitorJob
from monitor.jobs.source_session import SourceSession
from monitor.sources.base import Reader
from monitor.sources.connect import connect
from monitor.store import migrate
from monitor.store.database import Database


@contextmanager
def open_store(config: Config, *, upgrade: bool = False) -> Iterator[Database]:
    """Open our database; with ``upgrade`` bring it to this version's schema first, else insist on it."""
    database = Database(config.store.get_secret_value())
    try:
        if upgrade:
            migrate.upgrade(database)
        else:
            migrate.require_head(database)
        yield database
    finally:
        database.close()


@contextmanager
def open_reader(monitor: Monitor) -> Iterator[Reader]:
    """Open a monitor's source."""
    reader = connect(monitor.source)
    try:
        yield reader
    finally:
        reader.close()


def make_job(database: Database, config: Config, monitor: Monitor, clock: Clock) -> MonitorJob:
    """Make the job of one monitor."""
    return MonitorJob(database, monitor, open_session(database, monitor, clock), config.receivers)


def open_session(database: Database, monitor: Monitor, clock: Clock) -> SourceSession:
    """Open a monitor's source when it is used; only the system clock leaves the sealing to the source's own clock."""
    opener = partial(_connect, database, monitor)
    return SourceSession(opener, _source_time if isinstance(clock, SystemClock) else partial(_now, clock))


def _source_time(reader: Reader) -> datetime:
    return reader.now()


def _connect(database: Database, monitor: Monitor) -> Reader:
    return LabelOverlayReader(connect(monitor.source), database, monitor.name, judged=bool(monitor.judged))


def _now(clock: Clock, _reader: Reader) -> datetime:
    return clock.now()


def make_daemon(database: Database, config: Config, clock: Clock | None = None) -> Daemon:
    """Make the daemon of a configuration."""
    clock = clock or SystemClock()
    monitors = [make_job(database, config, monitor, clock) for monitor in config.monitors]
    catch_ups = [
        CatchUpJob(database, monitor, open_session(database, monitor, clock), config.receivers)
        for monitor in config.monitors
    ]
    needed = [job for job in catch_ups if job.is_needed]
    return Daemon(database, monitors, make_receivers(config.receivers), clock, needed)
