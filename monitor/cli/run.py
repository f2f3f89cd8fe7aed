"""`driftd run`: run the daemon."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import structlog

from monitor.checks import evidently
from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, ConfigPath, load_config
from monitor.cli.reload import Reloader
from monitor.cli.replacement import make_whole_daemon, replace_running, start_surroundings
from monitor.cli.startup_checks import refuse_impossible, warn_of_another_store, warn_of_old_forms
from monitor.config.models import Config
from monitor.core import log
from monitor.core.clock import SystemClock
from monitor.shutdown import leave, stop_on_signals

LOG = structlog.get_logger(__name__)


def run(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Run the daemon until SIGTERM or SIGINT; SIGHUP and a change of the file load the configuration again.

    Example: driftd run --config /etc/driftd/driftd.yaml
    """
    reloading = threading.Event()
    with stop_on_signals(evidently.abandon, reloading.set) as stopping:
        loaded = load_config(config)
        refuse_impossible(loaded)
        warn_of_another_store(loaded)
        warn_of_old_forms(loaded)
        with log.buffer_stderr():
            if not _serve(config, loaded, stopping, reloading):
                leave()


def _serve(path: Path, config: Config, stopping: threading.Event, reloading: threading.Event) -> bool:
    """Run the daemon and its web server; return whether all jobs have ended."""
    clock = SystemClock()
    with open_store(config, upgrade=True) as database:
        LOG.info("store", url=database.url.render_as_string(hide_password=True))
        daemon = make_whole_daemon(database, config, clock)
        daemon.stopping, liveness = stopping, daemon.liveness
        with liveness.watchdog.running(leave), start_surroundings(daemon, config) as site:
            apply = partial(replace_running, daemon, site)
            daemon.reload = Reloader(path, config, apply, reloading, liveness.reloads, clock).run
            return daemon.run()
