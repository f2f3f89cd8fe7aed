"""`driftd run`: run the daemon."""

from __future__ import annotations

import threading

import structlog

from monitor.checks import evidently
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.cli.startup_checks import refuse_impossible, warn_of_another_store, warn_of_old_forms
from monitor.config.models import Config
from monitor.core import log
from monitor.jobs.evals.schedule import SuiteSchedule
from monitor.jobs.evals.suite_job import plan_jobs
from monitor.shutdown import leave, stop_on_signals
from monitor.web.serve import serve_web

LOG = structlog.get_logger(__name__)


def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Example: driftd run --config /etc/driftd/driftd.yaml
    """
    with stop_on_signals(evidently.abandon) as stopping:
        refuse_impossible(config)
        warn_of_another_store(config)
        warn_of_old_forms(config)
        with log.buffer_stderr():
            if not _serve(config, stopping):
                leave()


def _serve(config: Config, stopping: threading.Event) -> bool:
    """Run the daemon and its web server; return whether all jobs have ended."""
    with open_store(config, upgrade=True) as database:
        LOG.info("store", url=database.url.render_as_string(hide_password=True))
        daemon = make_daemon(database, config)
        daemon.stopping = stopping
        if suites := plan_jobs(config, database.url.render_as_string(hide_password=False)):
            daemon.suites = SuiteSchedule(suites, database)
        with daemon.liveness.watchdog.running(leave), serve_web(database, config, daemon.clock, daemon.liveness):
            return daemon.run()
