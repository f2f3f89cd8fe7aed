"""Make the daemon and the jobs of a configuration."""

from __future__ import annotations

from monitor.cli.receivers import find_kept, make_connected_receivers
from monitor.cli.source_sessions import open_session
from monitor.config.models import Config, Monitor
from monitor.core.clock import Clock, SystemClock
from monitor.daemon import Daemon
from monitor.jobs import retention
from monitor.jobs.catch_up import CatchUpJob
from monitor.jobs.heartbeat import plan_heartbeat
from monitor.jobs.monitor_job import MonitorJob
from monitor.jobs.readiness import Readiness
from monitor.jobs.receiver_jobs import plan_receiver_jobs
from monitor.store.database import Database


def make_job(database: Database, config: Config, monitor: Monitor, clock: Clock) -> MonitorJob:
    """Make the job of one monitor."""
    return MonitorJob(database, monitor, open_session(database, monitor, clock), config.receivers)


def make_daemon(
    database: Database, config: Config, clock: Clock | None = None, running: Daemon | None = None
) -> Daemon:
    """Make the daemon of a configuration.

    Parameters
    ----------
    running
        The daemon that will take over what is made; its receivers with the same settings are used again.
    """
    clock = clock or SystemClock()
    monitors = [make_job(database, config, monitor, clock) for monitor in config.monitors]
    catch_ups = [
        CatchUpJob(database, monitor, open_session(database, monitor, clock), config.receivers)
        for monitor in config.monitors
    ]
    needed = [job for job in catch_ups if job.is_needed]
    kept = find_kept(running.receivers, running.configs, config) if running else {}
    receivers = make_connected_receivers(database, config, clock, kept)
    daemon = Daemon(database, monitors, receivers, clock, needed, config.receivers)
    in_charge = running or daemon

    def is_stopping() -> bool:
        return in_charge.stopping.is_set()  # an event that the caller may replace

    readiness = Readiness(database, config.monitors, in_charge.liveness, clock)
    daemon.receiver_jobs = plan_receiver_jobs(database, receivers, clock)
    daemon.further_jobs = [
        *plan_heartbeat(config.heartbeat, readiness),
        retention.plan_job(database, config, is_stopping),
    ]
    return daemon
