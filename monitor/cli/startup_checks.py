"""What `driftd run` refuses or warns of before it starts."""

from __future__ import annotations

from pathlib import Path

import structlog

from monitor.cli.connections import open_reader
from monitor.config.models import Config, ConfigError, Monitor
from monitor.profiling.features import choose
from monitor.sources.base import LASTING, SourceError
from monitor.store.database import sqlite_path

LOG = structlog.get_logger(__name__)


def warn_of_old_forms(config: Config) -> None:
    """Log each old form that the file uses, with the new one."""
    for warning in config.deprecations:
        LOG.warning("configuration_deprecated", detail=warning)


def refuse_impossible(config: Config) -> None:
    """Raise when no monitor has a source that can be read as it is configured.

    A source that is down, slow or refuses the password may come back, so the daemon waits for it. One impossible source
    among others keeps nobody from being watched: its monitor is shown in error until it can be read.
    """
    problems = []
    for monitor in config.monitors:
        problem = find_impossible(monitor)
        if problem is None:
            return
        problems.append(f"{monitor.name}: {problem}")
    raise ConfigError("\n".join(problems))


def find_impossible(monitor: Monitor) -> Exception | None:
    """Return what waiting cannot cure in a monitor's source, with the sentence of `driftd config check`."""
    try:
        with open_reader(monitor) as reader:
            choose(monitor, reader.describe(sample=1))
    except SourceError as error:
        return error if error.reason in LASTING else None
    except ConfigError as error:
        return error
    return None


def warn_of_another_store(config: Config) -> None:
    """Warn where a new store is about to be made, and one of its name lies in the working directory."""
    file = sqlite_path(config.store.get_secret_value())
    if file is not None and not file.exists() and (other := Path.cwd() / file.name).exists():
        hint = f"{other} is not used: a relative `store:` is relative to the configuration file. Move it, or name it."
        LOG.warning("new_store", file=str(file), hint=hint)
