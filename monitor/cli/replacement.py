"""Make all that runs by a configuration, and replace what runs by that of another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from monitor.cli.factory import make_daemon
from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.daemon import Daemon
from monitor.jobs.evals.schedule import SuiteSchedule
from monitor.jobs.evals.suite_job import plan_jobs
from monitor.metrics.traces import tracing
from monitor.profiling.signal_workers import isolate_signals
from monitor.store.database import Database
from monitor.web.serve import serve_web, settle_memory
from monitor.web.site import Site


def make_whole_daemon(database: Database, config: Config, clock: Clock, running: Daemon | None = None) -> Daemon:
    """Make the daemon of a configuration with its evaluation suites; ``running`` will take over what is made."""
    daemon = make_daemon(database, config, clock, running)
    if suites := plan_jobs(config, database.url.render_as_string(hide_password=False)):
        daemon.suites = SuiteSchedule(suites, database)
    return daemon


@contextmanager
def start_surroundings(daemon: Daemon, config: Config) -> Iterator[Site]:
    """Start what runs beside the jobs of the daemon: the processes of signals, traces, and the web server."""
    web = serve_web(daemon.database, config, daemon.clock, daemon.liveness)
    with isolate_signals(), tracing(config.tracing), web as site:
        yield site


def replace_running(daemon: Daemon, site: Site, config: Config) -> None:
    """Let a daemon and its web server go on with another configuration.

    Raises
    ------
    ConfigError
        When it cannot be used; everything is as before.
    """
    made = make_whole_daemon(daemon.database, config, daemon.clock, daemon)
    app = site.prepare(config)
    site.switch(app)
    daemon.take_over(made)
    settle_memory()
