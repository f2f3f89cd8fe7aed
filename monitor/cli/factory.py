"""Make the daemon and the jobs of a configuration."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from monitor.cli.receivers import make_connected_receivers
from monitor.config.models import Config, Monitor
from monitor.core.clock import Clock, SystemClock
from monitor.daemon import Daemon
from monitor.jobs.catch_up import CatchUpJob
from monitor.jobs.label_overlay import LabelOverlayReader
from monitor.jobs.monitor_job import MonitorJob
from monitor.jobs.receiver_jobs import plan_receiver_jobs
from monitor.jobs.source_session import SourceSession
from monitor.sources.base import Reader
from monitor.sources.connect import connect_monitor
from monitor.store.database import Database


def make_job(database: Database, config: Config, monitor: Monitor, clock: Clock) -> MonitorJob:
    """Make the job of one monitor."""
    return MonitorJob(database, monitor, open_session(database, monitor, clock), config.receivers)


def open_session(database: Database, monitor: Monitor, clock: Clock) -> SourceSession:
    """Return a session that opens a monitor's source on first use.

    Buckets are sealed by the clock of the source, or by ``clock`` if it is not the system clock.
    """
    opener = partial(_connect, database, monitor)
    return SourceSession(opener, _source_time if isinstance(clock, SystemClock) else partial(_now, clock))


def _source_time(reader: Reader) -> datetime:
    return reader.now()


def _connect(database: Database, monitor: Monitor) -> Reader:
    return LabelOverlayReader(connect_monitor(monitor), database, monitor.name, judged=bool(monitor.judged))


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
    receivers = make_connected_receivers(database, config, clock)
    further = plan_receiver_jobs(database, receivers, clock)
    return Daemon(database, monitors, receivers, clock, needed, config.receivers, further_jobs=further)
