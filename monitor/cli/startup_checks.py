"""Checks of `driftd run` before it starts."""

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
    """Log a warning for each deprecated setting of the file, with its replacement."""
    for warning in config.deprecations:
        LOG.warning("configuration_deprecated", detail=warning)


def refuse_impossible(config: Config) -> None:
    """Raise if the configuration of every monitor's source is impossible.

    The daemon waits for a source that is down, slow or rejects the password. An impossible source among others affects
    only its own monitor, which has the state `source error` until the source can be read.
    """
    problems = []
    for monitor in config.monitors:
        problem = find_impossible(monitor)
        if problem is None:
            return
        problems.append(f"{monitor.name}: {problem}")
    raise ConfigError("\n".join(problems))


def find_impossible(monitor: Monitor) -> Exception | None:
    """Return an error of a monitor's source that retries cannot fix, as `driftd config check` prints it, or None."""
    try:
        with open_reader(monitor) as reader:
            choose(monitor, reader.describe(sample=1))
    except SourceError as error:
        return error if error.reason in LASTING else None
    except ConfigError as error:
        return error
    return None


def warn_of_another_store(config: Config) -> None:
    """Warn if a new store is about to be created while the working directory has one of the same name."""
    file = sqlite_path(config.store.get_secret_value())
    if file is not None and not file.exists() and (other := Path.cwd() / file.name).exists():
        hint = f"{other} is not used: a relative `store:` is relative to the configuration file. Move it, or name it."
        LOG.warning("new_store", file=str(file), hint=hint)
