"""Load driftd.yaml again while the daemon runs, on SIGHUP and when the file changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from monitor.cli.options import load_config
from monitor.cli.startup_checks import refuse_impossible, warn_of_old_forms
from monitor.config.models import Config, ConfigError
from monitor.core.clock import Clock
from monitor.jobs.file_watch import FileWatch
from monitor.jobs.liveness import ReloadTally
from monitor.sources.base import SourceError

LOG = structlog.get_logger(__name__)
Apply = Callable[[Config], None]
"""Replaces what runs by what a configuration says; raises ConfigError, with everything as before, if it cannot."""


@dataclass
class Reloader:
    """Applies a new configuration; if it is bad, the running one stays.

    Parameters
    ----------
    config
        The running configuration.
    is_requested
        Set by SIGHUP. However often it is set, the next run loads the file once.
    """

    path: Path
    config: Config
    apply: Apply
    is_requested: threading.Event
    tally: ReloadTally
    clock: Clock

    def __post_init__(self) -> None:
        self._watch = FileWatch(list_watched(self.path, self.config))
        self.tally.succeeded_at = self.clock.now()

    def run(self) -> None:
        """Load the file again if that was requested, or if it has changed."""
        if not self.is_requested.is_set() and not self._watch.look():
            return
        self.is_requested.clear()
        self._watch.accept()
        self.reload()

    def reload(self) -> bool:
        """Load the file and apply it; return whether it is in use."""
        try:
            config, fixed = keep_fixed(self.config, load_config(self.path))
            refuse_impossible(config)
            self.apply(config)
        except (ConfigError, SourceError) as error:
            LOG.error("reload_failed", detail=f"The previous configuration stays in use. {error}")  # noqa: TRY400
        except Exception:
            LOG.exception("reload_failed", detail="The previous configuration stays in use.")
        else:
            self._note_success(config, fixed)
            return True
        self.tally.is_successful = False
        return False

    def _note_success(self, config: Config, fixed: list[str]) -> None:
        if (files := list_watched(self.path, config)) != list_watched(self.path, self.config):
            self._watch = FileWatch(files)
        self.config = config
        self.tally.is_successful, self.tally.succeeded_at = True, self.clock.now()
        warn_of_old_forms(config)
        if fixed:
            keys = ", ".join(f"`{key}`" for key in fixed)
            LOG.warning("restart_needed", keys=fixed, detail=f"{keys} changed; restart driftd to use the new value.")
        LOG.info("reloaded", monitors=len(config.monitors))


def keep_fixed(running: Config, new: Config) -> tuple[Config, list[str]]:
    """Return a new configuration with the running values of what cannot change, and the keys that would have."""
    now, then = running.server, new.server
    changed = {
        "store": new.store != running.store,
        "server.listen": then.listen != now.listen,
        "server.tls": (then.tls is None) != (now.tls is None),
        "metrics": new.metrics != running.metrics,
        "tracing": new.tracing != running.tracing,
    }
    tls = now.tls if changed["server.tls"] else then.tls
    server = then.model_copy(update={"listen": now.listen, "tls": tls})
    kept = {"store": running.store, "metrics": running.metrics, "tracing": running.tracing, "server": server}
    return new.model_copy(update=kept), [key for key, is_changed in changed.items() if is_changed]


def list_watched(path: Path, config: Config) -> list[Path]:
    """Return the files whose change is a reason to load the configuration again."""
    tls = config.server.tls
    return [path, tls.cert_file, tls.key_file] if tls else [path]
